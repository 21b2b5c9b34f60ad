"""Addresses in Chinese and Japanese, from the province down to the room."""

from collections.abc import Callable, Iterator
from random import Random
from typing import NamedTuple

from .entity_vocabulary import CHINESE, JAPANESE
from .habits import Layout, Source

_WIDE_DIGITS = str.maketrans("0123456789", "０１２３４５６７８９")
_KANJI_DIGITS = ("〇", "一", "二", "三", "四", "五", "六", "七", "八", "九")


class EastAsianAddress(NamedTuple):
    """An address; `place` is a road in China and a town in Japan. The building and the room may be missing.

    The number is that of the house, and in Japan those of the district, the block and the house.
    """

    province: str
    city: str
    district: str
    place: str
    number: tuple[int, ...]
    building: str
    room: int
    postcode: int


def chinese_addresses(rng: Random, n: int) -> Iterator[list[str]]:
    """Some n addresses in Chinese, many of them on one road or in one building."""
    return Layout(rng, most=3).write(_draw_addresses(rng, n, _draw_chinese), _write_chinese)


def japanese_addresses(rng: Random, n: int) -> Iterator[list[str]]:
    """Some n addresses in Japanese, many of them in one town or in one building."""
    return Layout(rng, most=3).write(_draw_addresses(rng, n, _draw_japanese), _write_japanese)


def _draw_addresses(rng: Random, n: int, draw: Callable[[Random], EastAsianAddress]) -> list[EastAsianAddress]:
    """Addresses, and others with another room, another number, or in another place."""
    found: dict[tuple[object, ...], EastAsianAddress] = {}
    while len(found) < n:
        address = draw(rng)
        if found and rng.random() < 0.45:
            other = rng.choice(list(found.values()))
            kind = rng.random()
            if other.room and kind < 0.5:
                address = other._replace(room=other.room + rng.choice((1, 2, 100, 101, 300)))
            elif kind < 0.8:
                address = other._replace(
                    number=(*other.number[:-1], other.number[-1] + rng.choice((1, 2, 10))), building="", room=0
                )
            else:
                address = address._replace(province=other.province, city=other.city, district=other.district)
        # A building alone tells no two addresses apart, as not all sources name it.
        found[address.city, address.place, address.number, address.room] = address
    return list(found.values())


def _draw_chinese(rng: Random) -> EastAsianAddress:
    city, province = rng.choice(CHINESE.cities)
    has_building = rng.random() < 0.6
    tower = rng.choice(("", "", "A座", "B座", "2号楼", "5栋"))
    return EastAsianAddress(
        province,
        city,
        rng.choice(CHINESE.districts),
        rng.choice(CHINESE.roads),
        (rng.randint(1, rng.choice((30, 300, 2000))),),
        rng.choice(CHINESE.cities)[0] * (rng.random() < 0.3) + rng.choice(CHINESE.buildings) + tower if has_building else "",
        rng.randint(1, 28) * 100 + rng.randint(1, 12) if has_building and rng.random() < 0.7 else 0,
        rng.randint(1000, 8599) * 100,
    )


def _write_chinese(source: Source, address: EastAsianAddress) -> str:
    parts = ["中国"] if source.does("names China", 0.05) else []
    if address.province and not source.does("drops the province", 0.4):
        parts.append(address.province + source.pick("province", ("省", "省", "")))
    if not source.does("drops the city", 0.05):
        parts.append(address.city + source.pick("city", ("市", "市", "")))
    if not source.does("drops the district", 0.15):
        parts.append(address.district)
    parts.append(address.place + source.pick("number", ("{}号", "{}号", "{}號", " {} 号", "{}")).format(address.number[0]))
    if address.building and (address.room or not source.does("drops buildings", 0.4)):
        parts.append(address.building)
    if address.room:
        forms = ("{r}室", "{r}室", "{r}", "{f}层{r}室", "{f}楼{r}", "{r}房", "{f}F-{r}")
        parts.append(source.pick("room", forms).format(r=address.room, f=address.room // 100))
    text = source.pick("space", ("", "", "", " ", ",")).join(parts)
    if source.does("adds the postcode", 0.1):
        text += f" {address.postcode:06}"
    return text.translate(_WIDE_DIGITS) if source.does("wide digits", 0.08) else text


def _draw_japanese(rng: Random) -> EastAsianAddress:
    prefecture, city = rng.choice(JAPANESE.prefectures)
    has_building = rng.random() < 0.5
    return EastAsianAddress(
        prefecture,
        city,
        "",
        rng.choice(JAPANESE.towns),
        (rng.randint(1, 9), rng.randint(1, 40), rng.randint(1, 30)),
        rng.choice(JAPANESE.buildings) if has_building else "",
        rng.randint(1, 12) * 100 + rng.randint(1, 9) if has_building and rng.random() < 0.7 else 0,
        rng.randint(1000000, 9999999),
    )


def _write_japanese(source: Source, address: EastAsianAddress) -> str:
    first, block, house = address.number
    forms = (
        "{a}-{b}-{c}",
        "{a}-{b}-{c}",
        "{a}丁目{b}番{c}号",
        "{a}丁目{b}-{c}",
        "{k}丁目{b}番{c}号",
        "{k}丁目{b}-{c}",
        "{a}－{b}－{c}",
        "{a}の{b}の{c}",
    )
    number = source.pick("number", forms).format(a=first, b=block, c=house, k=_KANJI_DIGITS[first])
    prefecture = "" if source.does("drops the prefecture", 0.35) else address.province
    text = source.pick("space", ("", "", " ")).join(filter(None, (prefecture, address.city, address.place + number)))
    if address.building and (address.room or not source.does("drops buildings", 0.4)):
        text += source.pick("building", (" ", "　", "")) + address.building
    if address.room:
        text += source.pick("room", ("{r}号室", "{r}", " {r}号", "{f}F-{r}", " {r}号室")).format(
            r=address.room, f=address.room // 100
        )
    if source.does("adds the postcode", 0.15):
        text = source.pick("postcode", ("〒{}-{} ", "{}-{} ", "〒{}{} ")).format(*_split_postcode(address.postcode)) + text
    return text.translate(_WIDE_DIGITS) if source.does("wide digits", 0.15) else text


def _split_postcode(postcode: int) -> tuple[str, str]:
    """The groups of three and four digits of a postcode."""
    digits = f"{postcode:07}"
    return digits[:3], digits[3:]
