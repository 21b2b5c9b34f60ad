"""Titles of electronic devices, short or with specifications, beside the next model, another size and accessories."""

from collections.abc import Callable, Iterator
from random import Random
from typing import NamedTuple

from .edits import join_words
from .habits import Layout, Source
from .shop_vocabulary import ELECTRONICS, DeviceCategory


class Device(NamedTuple):
    """A device of a shop, with or without a model number, or what belongs to it in words around {x}."""

    brand: str
    line: str
    category: DeviceCategory
    letters: str
    digits: int
    suffix: str
    size: float
    colour: list[str]
    features: list[str]
    around: str
    alone: bool
    has_model: bool


def electronics(rng: Random, n: int) -> Iterator[list[str]]:
    """Titles of n devices, about half of which have siblings: the next model, another size or colour, a case, a bundle."""
    return Layout(rng).write(_draw_devices(rng, n), _title)


def _draw_devices(rng: Random, n: int) -> list[Device]:
    brands = rng.sample(ELECTRONICS.brands, min(len(ELECTRONICS.brands), max(5, n // 12)))
    categories = rng.sample(ELECTRONICS.categories, rng.choice((3, 8, len(ELECTRONICS.categories))))
    devices: list[Device] = []
    while len(devices) < n:
        has_siblings = rng.random() < 0.5
        device = _draw_device(rng, rng.choice(brands), rng.choice(categories))._replace(alone=not has_siblings)
        devices.append(device)
        if has_siblings:
            siblings = rng.sample(_SIBLINGS, rng.choice((1, 1, 2, 3)))
            devices += [make(rng, device)._replace(alone=False) for make in siblings]
    return devices[:n]


def _draw_device(rng: Random, brand: str, category: DeviceCategory) -> Device:
    return Device(
        brand=brand,
        line=rng.choice(ELECTRONICS.lines) if rng.random() < 0.5 else "",
        category=category,
        letters=rng.choice(category.letters),
        digits=rng.choice((rng.randint(10, 99), rng.randint(100, 999), 10 * rng.randint(100, 999))),
        suffix=rng.choice(ELECTRONICS.suffixes),
        size=rng.choice(category.sizes) if category.sizes else 0,
        colour=rng.choice(ELECTRONICS.colours),
        features=rng.sample(category.features, rng.randint(2, 4)),
        around="{x}",
        alone=True,
        has_model=rng.random() < 0.88,
    )


def _next_model(rng: Random, device: Device) -> Device:
    """The next number of the series, with some of the features."""
    step = rng.choice((1, 2, 5, 10, 50, 100))
    return device._replace(digits=device.digits + step, has_model=True, features=rng.sample(device.category.features, 3))


def _other_suffix(rng: Random, device: Device) -> Device:
    """The same in another colour, which has a model number of its own."""
    suffix = rng.choice([suffix for suffix in ELECTRONICS.suffixes if suffix != device.suffix])
    colour = rng.choice([colour for colour in ELECTRONICS.colours if colour != device.colour])
    return device._replace(suffix=suffix, colour=colour)


def _other_size(rng: Random, device: Device) -> Device:
    sizes = [size for size in device.category.sizes if size != device.size]
    if not sizes:
        return _next_model(rng, device)
    digits = device.digits if device.category.sized_model else device.digits + rng.choice((1, 10, 20))
    return device._replace(size=rng.choice(sizes), digits=digits)


def _other_sort(rng: Random, device: Device) -> Device:
    """A device of another sort of the same brand and line."""
    category = rng.choice([category for category in ELECTRONICS.categories if category is not device.category])
    return _draw_device(rng, device.brand, category)._replace(line=device.line, colour=device.colour)


def _accessory(rng: Random, device: Device) -> Device:
    return device._replace(around=rng.choice(ELECTRONICS.accessories))


def _bundle(rng: Random, device: Device) -> Device:
    return device._replace(around=rng.choice(ELECTRONICS.bundles))


_SIBLINGS: list[Callable[[Random, Device], Device]] = [
    _next_model,
    _next_model,
    _other_suffix,
    _other_size,
    _other_sort,
    _accessory,
    _bundle,
]


def _title(source: Source, device: Device) -> str:
    """The device as a source writes it: short, or with its features, colour and the model number behind."""
    model = _model_number(source, device)
    if device.alone and device.has_model and source.does("drops the model", 0.15):
        model = ""
    short = source.does("short titles", 0.45) or "for {x}" in device.around
    name = source.pick("name", device.category.names)
    size = source.pick("size", device.category.size_forms).format(n=f"{device.size:g}") if device.size else ""
    line = "" if source.does("drops the line", 0.25) and model else device.line
    colour = source.pick("colour", device.colour) if source.does("colour", 0.6) or not device.alone else ""
    brand = source.pick("brand", (device.brand, device.brand, device.brand.upper()))
    if short:
        parts = source.pick("short", ((line, size, name, model), (model, line, name, size), (line, model, size, name)))
        colour = colour if not (device.alone or model and device.suffix) else ""
        text = join_words(brand, *(part for part in parts if part), colour)
    else:
        text = _long_title(source, device, (brand, model, line, size, name, colour))
    return device.around.format(x=text)


def _long_title(source: Source, device: Device, parts: tuple[str, ...]) -> str:
    brand, model, line, size, name, colour = parts
    known = [feature for feature in device.features if source.rng.random() < 0.8]
    features = source.pick("separator", (", ", " ", " / ", ", ")).join(known)
    dash = source.pick("dash", (" - ", ", ", " "))
    ends = (f"{dash}{model}" if model else "", f" ({model})" if model else "")
    forms = (
        f"{brand} {model} {line} {size} {name} {features} {colour}",
        f"{brand} {line} {size} {name}{dash}{features} {colour}{ends[0]}",
        f"{brand} {line} {size} {name} with {features}{ends[1]} {colour}",
        f"{brand} {size} {colour} {line} {name}{ends[0]}",
        f"{brand} {model} {line} {name} ({size or colour}, {features})",
    )
    padding = f" {source.pick('padding', ELECTRONICS.padding)}" if source.does("pads", 0.15) else ""
    return " ".join((source.pick("long", forms) + padding).split())


def _model_number(source: Source, device: Device) -> str:
    """The model number with a hyphen, with a space or joined, and with the size in it if the category has that."""
    if not device.has_model:
        return ""
    size = f"{device.size:g}" if device.category.sized_model else ""
    number = f"{size}{'VSXEL'[device.digits % 5] if size else ''}{device.digits}{device.suffix}"
    forms = (
        f"{device.letters}-{number}",
        f"{device.letters}{number}",
        f"{device.letters}{number}",
        f"{device.letters} {number}",
    )
    model = source.pick("model", forms)
    return model.replace("/", "") if source.does("drops slashes", 0.4) else model
