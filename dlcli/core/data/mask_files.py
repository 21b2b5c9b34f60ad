"""Find the pictures of a folder and the mask of each: images/ and masks/, maybe in a folder per set, matched by name."""

from dataclasses import dataclass
from pathlib import Path

from dlcli.core.data.file_kinds import PICTURES, all_files, composed
from dlcli.core.data.mask_labels import MOST_CLASSES
from dlcli.core.data.set_folders import named_folders
from dlcli.support.errors import InputError
from dlcli.support.plural import count
from dlcli.support.reporter import Reporter

IMAGES, MASKS, CLASSES = "images", "masks", "classes.txt"
_HINT = f"put pictures into {IMAGES}/ and their masks, PNG files of the same names, into {MASKS}/"
_LOSSY = (".jpg", ".jpeg", ".jpe", ".jfif")


@dataclass(frozen=True)
class MaskedFile:
    """A picture and its mask."""

    image: Path
    mask: Path


def is_masked_folder(root: Path) -> bool:
    """Whether a folder holds pictures with masks: images/ and masks/ in it, or in a folder of a set."""
    return root.is_dir() and any(_holds(folder) for folder in (root, *named_folders(root).values()))


def masked_files(root: Path, report: Reporter) -> dict[str, list[MaskedFile]]:
    """The pictures of each set with their masks, sorted; "" is a folder that is not divided into sets.

    Args:
        root: The folder: with images/ and masks/, or folders of sets that have these.
        report: Receives a warning about masks without a picture.

    Raises:
        InputError: If there are none, or a picture has no mask.
    """
    if not root.is_dir():
        raise InputError(f"{root}: is a file, and masks need a folder", hint=_HINT)
    if _holds(root):
        return {"": _pairs(root, root, report)}
    sets = {name: folder for name, folder in named_folders(root).items() if _holds(folder)}
    half = [one for one in (root, *named_folders(root).values()) if (one / IMAGES).is_dir() and not (one / MASKS).is_dir()]
    if half or not sets:
        lacks = f"has {IMAGES}/ but no {MASKS}/" if half else f"has no {IMAGES}/ and {MASKS}/, nor train/ and test/ with these"
        raise InputError(f"{half[0] if half else root}: {lacks}", hint=_HINT)
    if not {"train", "test"} & set(sets):
        raise InputError(f"{root}: has {' and '.join(sets)}, but neither train nor test", hint=_HINT)
    return {name: _pairs(root, folder, report) for name, folder in sets.items()}


def image_files(root: Path, split: str | None) -> list[Path]:
    """The pictures of a folder with masks, without these: those of one set, or of all."""
    folders = [root] if _holds(root) else list(named_folders(root).values())
    if split is not None and not _holds(root):
        sets = named_folders(root)
        if split not in sets:
            raise InputError(f"{root}: has no split '{split}'", hint=f"it has {', '.join(sets)}")
        folders = [sets[split]]
    return [path for folder in folders for path in all_files(folder / IMAGES) if PICTURES.matches(path)]


def read_classes(root: Path) -> tuple[str, ...] | None:
    """The names of the classes in classes.txt, one per line in the order of their numbers.

    Args:
        root: The folder that may have it.

    Returns:
        The names; None without that file.

    Raises:
        InputError: For a file that cannot be read, a name that stands twice, an empty line between names, or too many.
    """
    path = root / CLASSES
    if not path.exists():
        return None
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read ({error})", hint="write one name per line, in UTF-8") from None
    names = [line.strip() for line in lines]
    while names and not names[-1]:
        names.pop()
    for k, name in enumerate(names):
        if not name or name in names[:k]:
            what = "is empty" if not name else f"names '{name}' again"
            raise InputError(f"{path}, line {k + 1}: {what}", hint="line N + 1 names the class with the label N")
    if not 2 <= len(names) <= MOST_CLASSES:
        raise InputError(f"{path}: names {count(len(names), 'class', 'classes')}; masks have 2 to {MOST_CLASSES}")
    return tuple(names)


def _holds(folder: Path) -> bool:
    return (folder / IMAGES).is_dir() and (folder / MASKS).is_dir()


def _pairs(root: Path, folder: Path, report: Reporter) -> list[MaskedFile]:
    images, masks = (_by_stem(folder / name) for name in (IMAGES, MASKS))
    if not images:
        raise InputError(f"{folder / IMAGES}: contains no images", hint=_HINT)
    missing = [stem for stem in images if stem not in masks]
    if missing:
        _refuse_missing(folder, images[missing[0]], missing, masks)
    lossy = [path for stem, path in masks.items() if stem in images and path.suffix.lower() in _LOSSY]
    if lossy:
        raise InputError(
            f"{lossy[0]}: is a JPEG, whose compression changes label numbers ({count(len(lossy), 'such mask')})",
            hint="save masks as PNG",
        )
    unused = [stem for stem in masks if stem not in images]
    if unused:
        report.warn(f"{folder}: {count(len(unused), 'mask')} without a picture, such as {masks[unused[0]].relative_to(root)}")
    return [MaskedFile(image, masks[stem]) for stem, image in images.items()]


def _refuse_missing(folder: Path, image: Path, missing: list[str], masks: dict[str, Path]) -> None:
    others = {stem.casefold(): path for stem, path in masks.items()}
    other = others.get(missing[0].casefold())
    many = f" ({count(len(missing), 'such picture')})" if len(missing) > 1 else ""
    if other is not None:
        message = f"{image}: its mask is called {other.relative_to(folder)}, in other upper and lower case{many}"
        raise InputError(message, hint="give both the same name")
    raise InputError(f"{image}: has no mask {MASKS}/{missing[0]}.png{many}", hint="add the mask, or remove the picture")


def _by_stem(folder: Path) -> dict[str, Path]:
    """The pictures below a folder by their path in it without ending."""
    found: dict[str, Path] = {}
    for path in all_files(folder):
        if PICTURES.matches(path):
            stem = composed(path.relative_to(folder).with_suffix("").as_posix())
            if stem in found:
                raise InputError(f"{path}: {found[stem].name} has the same name but for its ending", hint="remove one of them")
            found[stem] = path
    return found
