"""One set of pictures in folders of classes, written in every other layout."""

import io
import json
import random
import tarfile

import numpy as np
from PIL import Image


def pictures_of(root):
    """The pictures of folders of classes, sorted; the name of a class is that of a folder."""
    return sorted(root.rglob("*.png"))


def shuffled(files, seed=0):
    files = list(files)
    random.Random(seed).shuffle(files)
    return files


def as_table(root, out):
    lines = [f"{path},{path.parent.name}" for path in shuffled(pictures_of(root))]
    (out / "mine.csv").write_text("\n".join(["Image Path,class", *lines]) + "\n")
    return out / "mine.csv"


def huggingface(files, names):
    """A table as Hugging Face's datasets write one: structs of bytes and path, indices of classes named in the metadata."""
    import pyarrow as pa

    image = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    cells = [{"bytes": path.read_bytes(), "path": path.name} for path in files]
    columns = {"image": pa.array(cells, image), "label": [names.index(path.parent.name) for path in files]}
    features = {"image": {"_type": "Image"}, "label": {"names": names, "_type": "ClassLabel"}}
    metadata = {"huggingface": json.dumps({"info": {"features": features}})}
    return pa.table(columns).replace_schema_metadata(metadata)


def as_parquet(root, out):
    from pyarrow import parquet

    files = shuffled(pictures_of(root))
    parquet.write_table(huggingface(files, class_names(files)), out / "all.parquet", row_group_size=7)
    return out / "all.parquet"


def as_shards(root, out):
    from pyarrow import parquet

    files = shuffled(pictures_of(root))
    (out / "hub" / "data").mkdir(parents=True)
    for k in range(3):
        table = huggingface(files[k::3], class_names(files))
        parquet.write_table(table, out / "hub" / "data" / f"train-{k:05}-of-00003.parquet")
    return out / "hub"


def as_bytes(root, out):
    """Plain bytes beside names and text labels."""
    import pyarrow as pa
    from pyarrow import parquet

    files = shuffled(pictures_of(root))
    columns = {"data": [path.read_bytes() for path in files], "file": [path.name for path in files]}
    parquet.write_table(pa.table({**columns, "target": [path.parent.name for path in files]}), out / "bytes.parquet")
    return out / "bytes.parquet"


def tar(path, members):
    """An archive of these members, pairs of name and bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as archive:
        for name, data in members:
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return path


def as_webdataset(root, out):
    members = []
    for k, path in enumerate(pictures_of(root)):
        members += [(f"{k:06}.png", path.read_bytes()), (f"{k:06}.cls", path.parent.name.encode())]
    return tar(out / "all.tar", members)


def as_numbered_shards(root, out):
    """Indices in JSON, named by classes.txt; the pattern of the shards."""
    files = shuffled(pictures_of(root))
    names = class_names(files)
    for k in range(3):
        members = []
        for path in files[k::3]:
            key = f"{path.parent.name}/{path.stem}"
            members += [(f"{key}.json", json.dumps({"label": names.index(path.parent.name), "w": 6}).encode())]
            members += [(f"{key}.png", path.read_bytes())]
        tar(out / "web" / f"part-{k:03}.tar", members)
    (out / "web" / "classes.txt").write_text("\n".join(names) + "\n")
    return out / "web" / "part-{000..002}.tar"


def as_coco(root, out):
    files = shuffled(pictures_of(root))
    names = shuffled({path.parent.name for path in files})
    found = {
        "images": [{"id": 10 + k, "file_name": str(path.relative_to(root))} for k, path in enumerate(files)],
        "annotations": [
            {"id": k, "image_id": 10 + k % len(files), "category_id": 3 + names.index(files[k % len(files)].parent.name)}
            for k in range(2 * len(files))
        ],
        "categories": [{"id": 3 + k, "name": name} for k, name in enumerate(names)],
    }
    (out / "notes").mkdir()
    (out / "images").symlink_to(root)
    (out / "notes" / "all.json").write_text(json.dumps(found))
    return out / "notes" / "all.json"


def as_npz(root, out):
    files = pictures_of(root)
    pixels = np.stack([np.asarray(Image.open(path)) for path in files])
    np.savez(out / "all.npz", x=pixels, y=np.array([path.parent.name for path in files]))
    return out / "all.npz"


def class_names(files):
    """The classes of files in folders, in the order that a numbering of them has."""
    names = {path.parent.name for path in files}
    return sorted(names, key=int) if all(name.isdigit() for name in names) else sorted(names)


LAYOUTS = (as_table, as_parquet, as_shards, as_bytes, as_webdataset, as_numbered_shards, as_coco, as_npz)
