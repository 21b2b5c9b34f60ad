"""Closed classes of words that decide what a text says: negations, question words, function words, opposites, number words.

English, German, French and Spanish; opposites in Chinese are single characters. Words are in the form that
`dlcli.core.text.scoring.word_forms` gives them: lower case, without accents, contractions spelled out.
"""

from collections import defaultdict

from dlcli.core.text.scoring import east_asian_words

NEGATIONS = frozenset(
    "no not never none nothing nobody neither nor without non against "
    "nicht kein keine keinen keiner nie ohne ne pas jamais sans nunca sin ningun ninguna".split()
)
NEGATIONS |= east_asian_words.NEGATIONS
QUESTION_WORDS = frozenset(
    "what how why when where who which whom whose is are do does did can could should would will was were has have".split()
)
QUESTION_WORDS |= east_asian_words.QUESTIONS
FUNCTION_WORDS = QUESTION_WORDS | frozenset(
    "a an the of to in on at by for from with as and or but if than then so that this these those there any some all no not "
    "it its i me my you your he his she her we us our they their them be been being am had may might must just only also very "
    "too about into over after before between out up down off more most other such own same get got one ones "
    "der die das den dem des ein eine einen einem einer und oder ist sind ich mein meine meinen man wie wo von zu mit auf fur "
    "im le la les un une des du de et ou est je mon ma mes comment el los las una y o es mi mis como en por para".split()
)
FUNCTION_WORDS |= east_asian_words.FUNCTION_WORDS
NEUTRAL_WORDS = frozenset("and or nor a an the und oder der die das den et ou le la les un une y o el los las".split())
"""Conjunctions and articles, around which two parts may change places: "a dog and a cat"."""
_CARDINALS = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen "
    "nineteen twenty"
)
_ORDINALS = (
    "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth fourteenth fifteenth "
    "sixteenth seventeenth eighteenth nineteenth twentieth"
)
_TENS = ("", "x", "xx", "xxx")
_ONES = ("", "i", "ii", "iii", "iv", "v", "vi", "vii", "viii", "ix")
ROMAN = {tens + ones: str(10 * ten + one) for ten, tens in enumerate(_TENS) for one, ones in enumerate(_ONES) if tens + ones}
"""Roman numerals up to 39, as names of wars, kings, chapters and versions have them, with their digits."""
_ENDINGS = {1: "st", 2: "nd", 3: "rd"}
NUMBER_WORDS = (
    {word: str(value) for value, word in enumerate(_CARDINALS.split())}
    | {word: f"{value}{_ENDINGS.get(value, 'th')}" for value, word in enumerate(_ORDINALS.split(), start=1)}
    | ROMAN
)
"""Numbers that are written as words or as Roman numerals, with their digits: two 2, fifth 5th."""

_OPPOSITES = """
on off / enable disable / enabled disabled / enabling disabling / activate deactivate / activated deactivated
increase decrease / increases decreases / increasing decreasing / upload download / uploading downloading / import export
importing exporting / open close closed shut / opening closing / lose gain / safe unsafe / subscribe unsubscribe
install uninstall / buy sell / buying selling / start stop / starting stopping / begin end / add remove delete
adding removing deleting / accept reject decline / before after / inside outside / up down / left right / input output
public private / lock unlock / show hide / hot cold / high low / higher lower / more less fewer / min max / minimum maximum
win lose / push pull / send receive / allow block forbid deny / login logout / good bad / best worst / men women / man woman
male female / boys girls / boy girl / north south east west / northern southern eastern western / first last / positive negative
full empty / internal external / indoor outdoor / early late / earlier later / old new / long short / large small
front rear back / with without / always never / true false / yes no / won lost / arrival departure / inbound outbound
include exclude / connect disconnect / encrypt decrypt / encode decode / attach detach / mute unmute / expand collapse
lend borrow / teach learn / cheap expensive / rich poor / young old / black white / hard easy / strong weak / deep shallow
legal illegal / possible impossible / visible invisible / regular irregular / known unknown / happy unhappy
aktivieren deaktivieren / einschalten ausschalten / hochladen herunterladen / kaufen verkaufen / offnen schliessen
erhohen verringern senken / hinzufugen entfernen loschen / annehmen ablehnen / anmelden abmelden / links rechts / vor nach
installieren deinstallieren / oeffnen schliessen / erhoehen verringern / hinzufuegen entfernen / mieten vermieten / ein aus
activer desactiver / acheter vendre / ouvrir fermer / augmenter diminuer reduire / ajouter supprimer retirer / avant apres
accepter refuser / gauche droite / allumer eteindre / monter descendre / entree sortie / installer desinstaller
activar desactivar / comprar vender / abrir cerrar / aumentar reducir disminuir / agregar anadir eliminar quitar / antes despues
aceptar rechazar / izquierda derecha / encender apagar / subir bajar / entrada salida / instalar desinstalar
开 关 / 启 停 / 进 退 / 上 下 / 买 卖 / 增 减 / 绑 解 / 开 停 / 入 出 / 多 少 / 大 小
"""
_NEGATING_PREFIXES = ("un", "in", "im", "ir", "il", "dis", "de", "des", "non", "mis", "anti")


def _by_word() -> dict[str, frozenset[str]]:
    found: defaultdict[str, set[str]] = defaultdict(set)
    for line in _OPPOSITES.strip().splitlines():
        for group in line.split("/"):
            for word in group.split():
                found[word].update(set(group.split()) - {word})
    return {word: frozenset(others) for word, others in found.items()}


OPPOSITES = _by_word()
"""The opposites of each word that has any in the list."""


def are_opposite(a: str, b: str) -> bool:
    """Whether two words are opposites by the list, or one is the other with a negating prefix such as un- or dis-."""
    if b in OPPOSITES.get(a, ()):
        return True
    shorter, longer = sorted((a, b), key=len)
    return len(shorter) >= 4 and longer.endswith(shorter) and longer[: -len(shorter)] in _NEGATING_PREFIXES
