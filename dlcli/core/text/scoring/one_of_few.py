"""Words that name one of a few: units, currencies, months, colours, Roman numerals, single signs.

`5 mg` and `5 g`, `open in May` and `open in June`, `World War I` and `World War II`, `x ≤ 5` and `x ≥ 5`, `Plan A` and `Plan B`
differ in one word, for which there are only a few others, and say something else. `5 mg` and `5 milligrams` do not.
"""

from dlcli.core.text.scoring.word_lists import FUNCTION_WORDS, ROMAN
from dlcli.core.text.tokens import IDEOGRAPH

_LISTS = """
mm millimeter millimeters millimetre millimetres / cm centimeter centimeters centimetre centimetres zentimeter /
m meter meters metre metres / km kilometer kilometers kilometre kilometres / inch inches / ft foot feet / yd yard yards /
mi mile miles / nm nanometer nanometers nanometre nanometres / μm micron microns micrometer micrometers micrometre micrometres

mg milligram milligrams milligramm / g gr gram grams gramm gramo gramos gramme grammes / kg kilo kilos kilogram kilograms
kilogramm / lb lbs pound pounds / oz ounce ounces / μg mcg microgram micrograms / t ton tons tonne tonnes

ml milliliter milliliters millilitre millilitres / cl centiliter centiliters centilitre centilitres / dl /
l liter liters litre litres litro litros / gal gallon gallons / pt pint pints / qt quart quarts / cup cups /
tbsp tablespoon tablespoons / tsp teaspoon teaspoons

ms millisecond milliseconds / s sec secs seconds sekunden / min mins minute minutes minuten / h hr hrs hour hours stunde
stunden / day days tag tage / wk week weeks woche wochen / month months monat monate / yr yrs year years jahr jahre

daily / weekly / monthly / quarterly / yearly annual annually

bit bits / byte bytes / kb kilobyte kilobytes / mb megabyte megabytes / gb gigabyte gigabytes / tb terabyte terabytes

kbps / mbps / gbps

hz hertz / khz kilohertz / mhz megahertz / ghz gigahertz

mw milliwatt milliwatts / w watt watts / kw kilowatt kilowatts

mv millivolt millivolts / v volt volts / kv kilovolt kilovolts

ma milliamp milliamps / amp amps / mah / ah

c celsius / f fahrenheit / k kelvin

$ usd dollar dollars / € eur euro euros / £ gbp pound pounds / ¥ yen jpy / ₹ inr rupee rupees / chf

january jan januar janvier enero / february feb februar fevrier febrero / march mar maerz mars marzo / april apr avril abril /
may mai mayo / june jun juni juin junio / july jul juli juillet julio / august aug aout agosto /
september sep sept septembre septiembre / october oct oktober octobre octubre / november nov novembre noviembre /
december dec dezember decembre diciembre

monday mon montag lundi lunes / tuesday tue dienstag mardi martes / wednesday wed mittwoch mercredi miercoles /
thursday thu donnerstag jeudi jueves / friday fri freitag vendredi viernes / saturday sat samstag samedi sabado /
sunday sun sonntag dimanche domingo

spring fruehling printemps primavera / summer sommer ete verano / autumn fall herbst automne otono / winter hiver invierno

black schwarz noir negro / white weiss blanc blanco / grey gray grau gris / silver silber / gold / red rot rouge rojo /
blue blau bleu azul / green gruen vert verde / yellow gelb jaune amarillo / orange / purple / pink rosa / brown braun / beige
"""
"""A paragraph for each list, with slashes between its members and blanks between the names of a member."""

_NO_SIGNS = FUNCTION_WORDS - {"a"}


def _of_word() -> dict[str, frozenset[tuple[int, int]]]:
    found: dict[str, frozenset[tuple[int, int]]] = {}
    for number, paragraph in enumerate(_LISTS.strip().split("\n\n")):
        for member, names in enumerate(paragraph.split("/")):
            for name in names.split():
                found[name] = found.get(name, frozenset()) | {(number, member)}
    return found


MEMBERS = _of_word()
"""What a word may be the name of: the number of a list, and that of its member."""


def is_sign(word: str) -> bool:
    """Whether a word is a single letter or sign that stands for a thing, as in `Plan B`; not `I` or a Chinese character.

    `a` is one beside other signs: where it is an article, the other text has no sign in its place.
    """
    return len(word) == 1 and not (word.isdigit() or word in _NO_SIGNS or IDEOGRAPH.match(word))


def is_one_of_few(word: str) -> bool:
    """Whether a word is in a list, a Roman numeral or a single sign."""
    return word in MEMBERS or word in ROMAN or is_sign(word)


def same_member(a: str, b: str) -> bool:
    """Whether two words are names of one member of a list."""
    return not MEMBERS.get(a, frozenset()).isdisjoint(MEMBERS.get(b, frozenset()))


def differ_in_kind(a: str, b: str) -> bool:
    """Whether two different words are names of two members of a list, or two Roman numerals, or two single signs.

    Args:
        a: A word as `word_forms` gives it.
        b: Another one.

    Returns:
        True for `mg` and `g`, `i` and `ii`, `≤` and `≥`; False for `mg` and `milligrams`, and for words of any other sort.
    """
    if same_member(a, b):
        return False
    lists = ({number for number, _ in MEMBERS.get(word, ())} for word in (a, b))
    return not set.isdisjoint(*lists) or (a in ROMAN and b in ROMAN) or (is_sign(a) and is_sign(b))
