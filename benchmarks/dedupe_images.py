"""How many planted copies of images `dlcli dedupe FOLDER` finds, how many of its duplicates are right, and what it costs.

    python benchmarks/dedupe_images.py ../shared/data/images/imagenet    # photographs of your own
    python benchmarks/dedupe_images.py                                   # generated scenes
    python benchmarks/dedupe_images.py --many 20000                      # CPU seconds for as many generated scenes

Of four fifths of the images three copies are made, each in a random way. A file is expected to be in the group of its original
and in no other. Precision: of the files called duplicates, those whose canonical file has the same original. Recall: of the
pairs of an original and a copy of it, those in one group. Last, of the groups those with the original as canonical file. Wilson
intervals, 95%. With --many every tenth image is such a copy, and seconds are those of the process without those for decoding.
"""

import argparse
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from pathlib import Path

import numpy as np
from _photo_copies import CHANGES, save_copy, scene
from PIL import Image

from dlcli.core.proportion import proportion
from dlcli.engines import dedupe
from dlcli.specs.dedupe import DedupeConfig
from dlcli.support.reporter import SILENT, Reporter, Task


class Clock:
    """A reporter that takes the CPU seconds of each task."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    def note(self, text: str) -> None:
        """Ignore it."""

    def warn(self, text: str) -> None:
        """Print it."""
        print(text)

    @contextmanager
    def task(self, label: str, total: int | None = None) -> Iterator[Task]:
        """Measure a task."""
        started = time.process_time()
        with SILENT.task(label, total) as task:
            yield task
        self.seconds[label.split()[0]] = time.process_time() - started

    stoppable = SILENT.stoppable


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", nargs="?", type=Path, help="a folder of images without duplicates; default: generated scenes")
    parser.add_argument("--scenes", type=int, default=250, help="scenes to generate without a folder")
    parser.add_argument("--many", type=int, help="measure CPU seconds for this many generated scenes instead")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if options.many:
            _cost(Path(folder), options.many, options.seed)
        else:
            _accuracy(Path(folder), options.photos, options.scenes, options.seed)


def _accuracy(folder: Path, photos: Path | None, scenes: int, seed: int) -> None:
    draw = np.random.default_rng(seed)
    if photos is None:
        images = [scene(draw) for _ in range(scenes)]
    else:
        files = [path for path in sorted(photos.iterdir()) if path.suffix.lower() in (".jpg", ".jpeg", ".png")]
        images = [Image.open(path).convert("RGB") for path in files]
    ways = plant(folder, images, draw)
    result = dedupe.run(DedupeConfig(table=str(folder)))
    group = {row["file"]: row["group"] for row in result.table.records()}
    called = [row for row in result.table.records() if row["duplicate_of"]]
    right = [row["duplicate_of"].split("_")[0] == row["file"].split("_")[0] for row in called]
    print(f"{date.today()}, seed {seed}, {len(images)} {'scenes' if photos is None else 'photographs'}, {len(ways)} copies")
    print(f"precision {proportion(sum(right), len(right))}, n {len(right)}")
    found: dict[str, list[bool]] = defaultdict(list)
    for name, way in ways.items():
        found[way].append(group[name] == group[f"{name.split('_')[0]}_original.png"])
    every = [one for part in found.values() for one in part]
    print(f"recall {proportion(sum(every), len(every))}, n {len(every)}")
    kept = ["_original" in row["file"] for row in result.table.records() if row["canonical"] and row["group_size"] > 1]
    print(f"canonical file is the original {proportion(sum(kept), len(kept))}, n {len(kept)}")
    for way in CHANGES:
        print(f"  {way:30} {proportion(sum(found[way]), len(found[way]))}, n {len(found[way])}")


def plant(folder: Path, images: Sequence[Image.Image], draw: np.random.Generator) -> dict[str, str]:
    """Save the images, and three copies of most of them; gives how each copy was made."""
    ways = {}
    for k, image in enumerate(images):
        image.save(folder / f"{k:05}_original.png")
        chosen = draw.choice(len(CHANGES), 3, replace=False) if k % 5 else ()
        for number in chosen:
            way = list(CHANGES)[number]
            ways[save_copy(image, way, draw, folder / f"{k:05}_{number}").name] = way
    return ways


def _cost(folder: Path, many: int, seed: int) -> None:
    draw = np.random.default_rng(seed)
    for k in range(many - many // 10):
        image = scene(draw, (160, 120))
        image.save(folder / f"{k:05}_original.jpg", quality=90)
        if k < many // 10:
            save_copy(image, list(CHANGES)[k % len(CHANGES)], draw, folder / f"{k:05}_copy")
    clock = Clock()
    reporter: Reporter = clock
    started = time.process_time()
    result = dedupe.run(DedupeConfig(table=str(folder)), report=reporter)
    total = time.process_time() - started
    reading = clock.seconds.pop("reading")
    print(f"{date.today()}, seed {seed}, {result.files:,} images of 160 x 120 pixels, {many // 10:,} of them copies")
    print(f"{total - reading:.1f} CPU s, plus {reading:.1f} for reading and decoding; {result.candidates:,} candidate pairs")
    print(", ".join(f"{label} {seconds:.1f}" for label, seconds in clock.seconds.items()))


if __name__ == "__main__":
    main()
