"""Sequences through train, eval and predict: the same weights from every layout, and the same answers in every batch."""

import csv
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.io import wavfile

from dlcli.api import models
from dlcli.core.compute.forward import predict_logits
from dlcli.core.data.sequences import open_sequences
from dlcli.core.data.sequences.base import SequenceOptions
from dlcli.core.data.sequences.sound_files import SoundStream, read_sound
from dlcli.core.evaluation.diagnosis import CommandContext, diagnose
from dlcli.core.model_io.run_dir import load_model
from dlcli.core.tasks.sequence import standardised
from dlcli.engines import convert_2d_to_3d, ensemble, eval, predict, probe_gradients, train
from dlcli.engines.sound_stream import stream_logits, streamed_sound
from dlcli.specs.convert_2d_to_3d import Convert2DTo3DConfig
from dlcli.specs.ensemble import EnsembleConfig
from dlcli.specs.estimates import Estimate
from dlcli.specs.eval import EvalConfig, EvalResult
from dlcli.specs.predict import PredictConfig
from dlcli.specs.probe_gradients import ProbeGradientsConfig
from dlcli.specs.train import TrainConfig
from dlcli.specs.train_result import TrainResult
from dlcli.support.errors import InputError, UsageError
from dlcli.support.reporter import SILENT
from tests.conftest import Run
from tests.sequences import text_folder, wav_folder, waves, write_csv, write_long, write_ts, write_tsv, write_wav

CPU = torch.device("cpu")
QUICK: dict[str, Any] = {"task": "sequence", "model": "tcn:2:8", "epochs": 4, "batch_size": 8, "device": "cpu"}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Waves of 20 to 32 steps."""
    folder = tmp_path_factory.mktemp("waves")
    write_ts(folder / "W_TRAIN.ts", *waves(40, seed=1))
    write_ts(folder / "W_TEST.ts", *waves(30, seed=2))
    return folder / "W_TRAIN.ts"


@pytest.fixture(scope="module")
def folder(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network trained on them."""
    output = tmp_path_factory.mktemp("run") / "run"
    train.run(TrainConfig(data=str(data), output=output, **{**QUICK, "epochs": 40}))
    return output


def test_it_learns_and_eval_and_predict_agree(data: Path, folder: Path) -> None:
    result = eval.run(EvalConfig(model=str(folder)))
    assert isinstance(result, EvalResult) and result.unit == "sequence"
    accuracy = result.metrics[0].estimate
    assert accuracy.n == 30 and accuracy.value > 0.9  # chance is 0.5
    rows = predict.run(PredictConfig(model=str(folder), data=str(data.with_name("W_TEST.ts")))).table.rows
    truth = waves(30, seed=2)[1]
    assert np.mean([row[1] == label for row, label in zip(rows, truth, strict=True)]) == accuracy.value
    again = eval.run(EvalConfig(model=str(folder), data=str(data), fail_under=("top-1", 0.9)))
    assert again.failed == ""


def test_a_network_read_back_answers_alike_alone_and_in_batches(folder: Path) -> None:
    model = load_model(folder, CPU).model
    x = open_sequences("digits", SequenceOptions(limit=2)).x_test
    found = predict_logits(model, x, device=CPU)
    assert found.shape == (2, 2)
    longer = torch.cat([x, torch.full((2, 1, 30), torch.nan)], 2)
    assert (predict_logits(model, longer, device=CPU) - found).abs().max() < 1e-6


def test_every_layout_gives_the_same_weights(tmp_path: Path) -> None:
    values, labels = waves(24)
    specs = [
        (write_ts(tmp_path / "a.ts", values, labels), False),
        (write_tsv(tmp_path / "b.tsv", values, labels), False),
        (write_csv(tmp_path / "c.csv", values, labels), True),
    ]
    found = [train.run(TrainConfig(data=str(spec), pad=pad, **{**QUICK, "epochs": 1})) for spec, pad in specs]
    assert all(isinstance(one, TrainResult) for one in found)
    assert len({one.rows[0].weights_sha256 for one in found}) == 1


@pytest.mark.parametrize("model", ["tcn", "tcn-plain:2", "wavenet:3:8", "gru:1:8"])
def test_every_network_trains_and_is_read_back(data: Path, tmp_path: Path, model: str) -> None:
    output = tmp_path / "run"
    made = train.run(TrainConfig(data=str(data), output=output, **{**QUICK, "model": model, "epochs": 1}))
    found = eval.run(EvalConfig(model=str(output)))
    assert made.rows[0].accuracy.value == found.metrics[0].estimate.value
    assert (output / "report.html").exists()


def test_sounds_are_read_at_the_rate_of_the_training(tmp_path: Path) -> None:
    spec = str(wav_folder(tmp_path / "sounds", *waves(24, low=100, high=120)))
    output = tmp_path / "run"
    train.run(TrainConfig(data=spec, rate=500, group="prefix", output=output, **QUICK))
    result = eval.run(EvalConfig(model=str(output), output=tmp_path / "page"))
    assert result.n_groups == 1  # of three speakers one is held out
    assert {"report.html", "confusion.png"} <= {path.name for path in (tmp_path / "page").iterdir()}
    one = next(Path(spec).glob("fast/*.wav"))
    rows = predict.run(PredictConfig(model=str(output), data=str(one))).table.rows
    whole = predict.run(PredictConfig(model=str(output), data=spec)).table
    assert whole.columns[:2] == ["index", "file"] and len(whole.rows) == 24
    same = next(row for row in whole.rows if row[1] == f"fast/{one.name}")
    assert rows[0][2:] == same[2:]


def test_texts_keep_their_characters(tmp_path: Path) -> None:
    output = tmp_path / "run"
    train.run(TrainConfig(data=str(text_folder(tmp_path / "texts")), output=output, **QUICK))
    (tmp_path / "new.txt").write_text("bbbbbb")
    rows = predict.run(PredictConfig(model=str(output), data=str(tmp_path / "new.txt"))).table.rows
    assert len(rows) == 1
    (tmp_path / "new.txt").write_text("abc")
    with pytest.raises(InputError, match="the character 'c' is in no text"):
        predict.run(PredictConfig(model=str(output), data=str(tmp_path / "new.txt")))


def test_other_channels_are_refused(folder: Path, tmp_path: Path) -> None:
    spec = write_ts(tmp_path / "a.ts", *waves(channels=2))
    with pytest.raises(InputError, match="its sequences have 2 channels, and those that .* was trained on had 1"):
        eval.run(EvalConfig(model=str(folder), data=str(spec)))


def test_standardised_by_the_steps_that_are_there() -> None:
    x = torch.tensor([[[1.0, 3.0, torch.nan]], [[5.0, torch.nan, torch.nan]]])
    mean, std = (3.0, np.std([1.0, 3.0, 5.0]))
    name, numbers = standardised(x).split(":")
    found = [float(part) for part in numbers.split("/")]
    assert name == "steps" and found == pytest.approx([mean, std], rel=1e-6)
    assert standardised(torch.tensor([[[0.0, 1.0, 1.0]]])) == "none"


def test_a_variant_in_pairs(data: Path) -> None:
    config = TrainConfig(data=str(data), versus="--model tcn-plain:1:4", seeds=2, workers=1, **QUICK)
    result = train.run(config)
    assert isinstance(result, TrainResult) and len(result.rows) == 4 and result.comparisons[0].metric == "test accuracy"


def test_a_network_of_the_user(data: Path, tmp_path: Path) -> None:
    code = """
import torch
class Net(torch.nn.Module):
    def __init__(self, channels, classes):
        super().__init__()
        self.conv = torch.nn.Conv1d(channels, 8, 5, padding=2)
        self.head = torch.nn.Linear(8, classes)
    def forward(self, x):
        return self.head(torch.relu(self.conv(x)).mean(2))
"""
    (tmp_path / "nets.py").write_text(code)
    spec, output = f"{tmp_path / 'nets.py'}:Net", tmp_path / "run"
    train.run(TrainConfig(data=str(data), output=output, **{**QUICK, "model": spec, "epochs": 2}))
    model = load_model(output, CPU).model
    x = open_sequences(str(data), SequenceOptions()).x_test
    together = predict_logits(model, x, device=CPU)
    alone = torch.cat(
        [predict_logits(model, x[k : k + 1, :, : int((~x[k, 0].isnan()).sum())], device=CPU) for k in range(len(x))]
    )
    assert (together - alone).abs().max() < 1e-6


@pytest.mark.parametrize(
    ("run", "words"),
    [
        (lambda model: ensemble.run(EnsembleConfig(data="digits", add=(model,), output=None)), "dlcli ensemble"),
        (lambda model: probe_gradients.run(ProbeGradientsConfig(model=model)), "dlcli probe-gradients"),
        (lambda model: convert_2d_to_3d.run(Convert2DTo3DConfig(model=model)), "dlcli convert-2d-to-3d"),
    ],
)
def test_commands_of_images_refuse_it_by_name(folder: Path, run: Any, words: str) -> None:
    with pytest.raises(UsageError, match=f"takes sequences, and {words} needs a network of images: it "):
        run(str(folder))


@pytest.mark.parametrize(
    "options",
    [
        {"size": 28},
        {"augment": ("shift",)},
        {"mixup": 0.2},
        {"adversarial": "fgsm:0.1"},
        {"pretrain": "simclr"},
        {"corrupt": "gaussian"},
        {"frames": 4},
        {"loss": "huber"},
    ],
)
def test_options_of_images_are_refused_by_name(options: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=f"`{next(iter(options))}"):
        TrainConfig(task="sequence", **options)


@pytest.mark.parametrize("options", [{"rate": 8000}, {"pad": True}])
def test_options_of_sequences_need_the_task(options: dict[str, Any], folder: Path) -> None:
    with pytest.raises(UsageError, match="needs `task=sequence`"):
        TrainConfig(**options)
    with pytest.raises(UsageError, match="needs a network of sequences"):
        eval.run(EvalConfig(data="digits", **options))


@pytest.mark.parametrize("options", [{"tta": True}, {"diagnose_input": True}, {"size": 9}, {"export": Path("a.onnx")}])
def test_eval_refuses_what_is_of_images(folder: Path, options: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="is of images, and does not apply to a network of sequences"):
        eval.run(EvalConfig(model=str(folder), **options))


@pytest.mark.parametrize(
    ("model", "words"),
    [
        ("lenet", "lenet takes no sequences"),
        ("resnet18", "resnet18 takes no sequences"),
        ("tcn:0", "levels must be from 1 to 20"),
        ("tcn:1:2:3", "has 3 sizes"),
    ],
)
def test_networks_that_do_not_fit(model: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        train.run(TrainConfig(task="sequence", model=model))


def test_a_network_of_sequences_takes_no_images() -> None:
    with pytest.raises(UsageError, match="tcn is a network of sequences, and digits holds images"):
        train.run(TrainConfig(model="tcn"))


def test_the_plan_and_a_finished_run(data: Path, tmp_path: Path) -> None:
    config = TrainConfig(data=str(data), output=tmp_path / "run", **{**QUICK, "epochs": 1})
    assert "40 training and 30 test sequences, 2 classes" in train.plan(config)[0]
    first = train.run(config)
    again = train.run(replace(config, resume=True))
    assert first.rows[0].weights_sha256 == again.rows[0].weights_sha256
    assert "40 train, 30 test sequences of 1x32" in eval.plan(EvalConfig(model=str(tmp_path / "run")))[0]
    with pytest.raises(InputError, match="holds a run of `task=sequence`, not of `task=images`"):
        train.run(TrainConfig(output=tmp_path / "run", resume=True, epochs=1))


def test_at_the_shell(dlcli: Run, data: Path, tmp_path: Path) -> None:
    more = ("--task", "sequence", "--model", "tcn:2:8", "--epochs", "1", "--device", "cpu")
    assert dlcli("train", data, *more, "-o", "run").returncode == 0
    found = dlcli("predict", "run", data, "--format", "csv")
    assert len(list(csv.reader(found.stdout.decode().splitlines()))) == 1 + 40
    assert dlcli("eval", "run", "--fail-under", "top-1=1.0").returncode == 1
    (tmp_path / "bad.csv").write_text("label,a,b\nx,1,2\ny,3,oops\n")
    refused = dlcli("train", "bad.csv", *more)
    assert refused.returncode == 3 and b"row 2, column 'b' is 'oops', not a number" in refused.stderr


def test_a_proof_at_the_shell(dlcli: Run, folder: Path, tmp_path: Path) -> None:
    code = "import torch\n\ndef net(channels, classes):\n    return torch.nn.Conv1d(channels, classes, 3, padding=1)\n"
    (tmp_path / "nets.py").write_text(code)
    leaking = dlcli("eval", "nets.py:net", "--data", "digits", "--prove-causal", "--format", "json")
    assert leaking.returncode == 1 and json.loads(leaking.stdout)["leak"] > 0
    assert b"the first layer that looks ahead is the network itself (Conv1d)" in leaking.stderr


def test_no_network_that_looks_ahead_is_trained(dlcli: Run, data: Path, tmp_path: Path) -> None:
    code = "import torch\n\ndef net(channels, classes):\n    return torch.nn.Conv1d(channels, classes, 3, padding=1)\n"
    (tmp_path / "nets.py").write_text(code)
    more = (data, "--task", "sequence", "--epochs", "1", "--batch-size", "8", "--device", "cpu", "--prove-causal")
    leaking = dlcli("train", *more, "--model", "nets.py:net", "-o", "no")
    assert leaking.returncode == 1 and not (tmp_path / "no").exists()
    assert b"outputs depend on later inputs" in leaking.stderr and b"the network itself (Conv1d)" in leaking.stderr
    compared = dlcli("train", *more, "--model", "tcn:1:4", "--versus", "--model nets.py:net", "--seeds", "2")
    assert compared.returncode == 1 and b"the network itself (Conv1d)" in compared.stderr
    sound = dlcli("train", *more, "--model", "tcn:1:4", "-o", "run")
    assert sound.returncode == 0 and b"no output depends on later inputs, and the last one on 5 steps" in sound.stderr
    without = train.run(TrainConfig(data=str(data), **{**QUICK, "epochs": 1, "model": "tcn:1:4"}))
    assert eval.run(EvalConfig(model=str(tmp_path / "run"))).model_sha256 == without.rows[0].weights_sha256


def test_a_proof_of_a_run_and_of_an_untrained_network(folder: Path) -> None:
    found = eval.run(EvalConfig(model=str(folder), prove_causal=True))
    assert (found.leak, found.field, found.theory, found.failed) == (0.0, 13, 13, "")
    fields = [eval.run(EvalConfig(arch=name, data="digits", prove_causal=True)).field for name in ("tcn", "tcn-plain")]
    assert fields == [61, 17]
    assert "change inputs and see which outputs move" in eval.plan(EvalConfig(arch="tcn", data="digits", prove_causal=True))


def test_the_summary_counts_steps_and_seconds(tmp_path: Path) -> None:
    for name, field in (("tcn", 61), ("tcn-plain", 17)):
        summary = eval.run(EvalConfig(arch=name, data="digits", summary=True)).summary
        assert summary is not None and summary.receptive_field == (field,)
    sounds = str(wav_folder(tmp_path, *waves(24, low=100, high=120)))
    notes = eval.run(EvalConfig(arch="tcn:2", data=sounds, summary=True)).notes
    assert "The field of 13 steps is 0.013 seconds, at 1,000 steps per second." in notes


@pytest.mark.parametrize("model", ["tcn:3:8", "wavenet:4:8", "gru:1:8"])
def test_a_long_sound_is_streamed(tmp_path: Path, model: str) -> None:
    """In parts of any length, the answer is that for the whole sound; the clips joined are twenty times as long as each."""
    values, labels = waves(24, low=100, high=120)
    spec, output = wav_folder(tmp_path / "sounds", values, labels), tmp_path / "run"
    train.run(TrainConfig(data=str(spec), output=output, **{**QUICK, "model": model, "epochs": 1}))
    joined = np.concatenate([np.round(one[0] * 2**14) for one in values]).astype(int)
    path = write_wav(tmp_path / "long.wav", joined)
    network = load_model(output, CPU).model
    whole = predict_logits(network, torch.from_numpy(read_sound(path).samples)[None], device=CPU)
    for part in (1 << 20, 1000, 37):
        found = stream_logits(network, SoundStream(path), device=CPU, report=SILENT, part=part)
        assert (found - whole).abs().max() < 1e-5
    table = predict.run(PredictConfig(model=str(output), data=str(path))).table
    probability = whole.softmax(1).max()
    assert table.columns[:2] == ["index", "file"] and table.rows[0][3] == pytest.approx(float(probability), abs=1e-5)
    by_step = predict.run(PredictConfig(model=str(output), data=str(path), every=700)).table
    assert by_step.columns[:5] == ["index", "file", "steps", "seconds", "label"]
    assert [row[2] for row in by_step.rows] == [*range(700, len(joined), 700), len(joined)]
    first = predict.run(PredictConfig(model=str(output), data=str(path), every=700, limit=2)).table
    assert first.rows == by_step.rows[:2]
    for row in by_step.rows:  # each is the answer for the sound cut there
        cut = write_wav(tmp_path / "cut.wav", joined[: row[2]])
        (alone,) = predict.run(PredictConfig(model=str(output), data=str(cut))).table.rows
        assert (row[3], row[4]) == (row[2] / 1000, alone[2]) and row[5] == pytest.approx(alone[3], abs=1e-5)


def test_what_is_streamed(folder: Path, tmp_path: Path) -> None:
    """Only PCM at the rate of the training, through a network that can: everything else is read as a whole."""
    spec, output = wav_folder(tmp_path / "sounds", *waves(24, low=100, high=120)), tmp_path / "run"
    train.run(TrainConfig(data=str(spec), output=output, **{**QUICK, "epochs": 1}))
    same = write_wav(tmp_path / "a.wav", np.arange(90))
    other = write_wav(tmp_path / "b.wav", np.arange(90), rate=500)
    wavfile.write(tmp_path / "c.wav", 1000, np.linspace(-1, 1, 90, dtype=np.float32))
    assert streamed_sound(str(output), str(same)) is not None
    for network, sound in ((output, other), (output, tmp_path / "c.wav"), (folder, same), (output, spec)):
        assert streamed_sound(str(network), str(sound)) is None
    with pytest.raises(UsageError, match="`every` needs one PCM .wav at the rate of the training"):
        predict.run(PredictConfig(model=str(output), data=str(other), every=10))
    with pytest.raises(UsageError, match="`every` needs a network that classifies sequences"):
        predict.run(PredictConfig(data="digits", every=10))
    for sound in (other, tmp_path / "c.wav"):
        assert len(predict.run(PredictConfig(model=str(output), data=str(sound))).table.rows) == 1


def test_in_python(folder: Path, data: Path) -> None:
    """A run is a module of torch, and a network by name takes any number of steps."""
    model = models.load(folder)
    values = np.stack([one[0][:20] for one in waves(4, seed=3)[0]]).astype(np.float32)[:, None]
    assert model(torch.from_numpy(values)).shape == (4, 2)
    fresh = models.load("tcn:2:8", channels=1, size=64, classes=3)
    assert fresh(torch.zeros(2, 1, 50)).shape == (2, 3)
    assert isinstance(eval.run(EvalConfig(model=str(folder), data=str(data))), EvalResult)


def test_suggestions_are_for_sequences(folder: Path) -> None:
    diagnosis = eval.run(EvalConfig(model=str(folder), diagnose=True)).diagnosis
    assert diagnosis is not None
    context = CommandContext(model="tcn", sequences=True)
    sure = {"train": Estimate(0.2, 0.19, 0.21, 5000), "test": Estimate(0.5, 0.49, 0.51, 5000)}
    commands = [one.command for one in diagnose(0.0, sure, context).suggestions]
    trained = [command for command in commands if " train " in command]
    assert trained and all("--task sequence" in command for command in trained)
    assert not any("--augment" in command or "resnet" in command for command in commands)


def reordered(source: Path, path: Path, names: list[str]) -> Path:
    """The same table with its columns `names`, in that order."""
    with source.open() as file:
        rows = list(csv.DictReader(file))
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, names, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)
    return path


def test_channels_of_a_table_are_taken_by_name(tmp_path: Path) -> None:
    values, labels = waves(24, channels=2)
    values = [one * [[1.0], [9.0]] for one in values]
    spec = write_long(tmp_path / "a.csv", values, labels)
    output, quick = tmp_path / "run", {**QUICK, "epochs": 1}
    train.run(TrainConfig(data=str(spec), output=output, **quick))

    def rows(data: Path) -> list[list[Any]]:
        return [list(row) for row in predict.run(PredictConfig(model=str(output), data=str(data))).table.rows]

    swapped = reordered(spec, tmp_path / "b.csv", ["id", "time", "v1", "label", "v0"])
    assert rows(swapped) == rows(spec)
    first, second = (eval.run(EvalConfig(model=str(output), data=str(one))) for one in (spec, swapped))
    assert isinstance(first, EvalResult) and isinstance(second, EvalResult) and first.metrics == second.metrics
    renamed = tmp_path / "c.csv"
    renamed.write_text(spec.read_text().replace("v1", "w", 1))
    with pytest.raises(InputError, match=r"no column 'v1'; its columns of values are v0, w, and those of the training v0, v1"):
        rows(renamed)
    for name, source in (("L_TRAIN.csv", spec), ("L_TEST.csv", swapped)):
        reordered(source, tmp_path / name, source.read_text().splitlines()[0].split(","))
    data = open_sequences(str(tmp_path / "L_TRAIN.csv"), SequenceOptions())
    assert torch.equal(data.x_train.nan_to_num(), data.x_test.nan_to_num())


def test_a_rate_that_does_not_apply_is_refused(folder: Path, data: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="`rate` is of sounds, and .* holds none"):
        train.run(TrainConfig(data=str(data), rate=500, output=tmp_path / "run", **QUICK))
    with pytest.raises(UsageError, match="`rate` is of sounds, and .* holds none"):
        eval.run(EvalConfig(model=str(folder), rate=500))
    spec, output = str(wav_folder(tmp_path / "sounds", *waves(24))), tmp_path / "run"
    train.run(TrainConfig(data=spec, output=output, **{**QUICK, "epochs": 1}))
    for run, config in ((eval.run, EvalConfig), (predict.run, PredictConfig)):
        with pytest.raises(UsageError, match="`rate=500`: .* was trained at 1,000 samples per second"):
            run(config(model=str(output), data=spec, rate=500))
    assert len(predict.run(PredictConfig(model=str(output), data=spec, rate=1000)).table.rows) == 24
