"""Function words of Chinese, Japanese and Korean, where each character would be a word otherwise.

`怎么`, `怎样` and `如何` all ask how, `能不能`, `可否` and `可以` whether one can. They get one form, as contractions do
in English, so that the characters that carry the subject tell two questions apart. The lists are closed classes.
"""

import re

from dlcli.core.text.tokens import IDEOGRAPH

_FORMS = """
怎么: 怎么 怎样 怎么样 怎麼 怎樣 怎麼樣 如何 咋
能: 能 可以 能够 能夠 能否 能不能 可否 可不可以 是否能 是否可以 是否能够
何时: 何时 什么时候 啥时候 几时 什麼時候 何時
多久: 多久 多长时间 多少时间 多長時間
多少: 多少
哪里: 哪里 哪儿 哪裡 何处 什么地方 在哪里 在哪儿 在哪
为何: 为何 为什么 为啥 為什麼 為何
什么: 什么 哪些 啥 什麼
有: 有没有 有無 有无 是否有 有沒有
是: 是不是 是否
不 能: 不能 无法 不可以 無法 没法 不能够
没有: 没有 沒有 没 沒
请问: 请问 請問
どう: どう どうすれば どうやって どうしたら どうすると
なぜ: なぜ どうして なんで
教えて: 教えてください 教えて下さい 教えて
できる: できる できます 出来る 出来ます
ない: ない ません なかった
する: する します して した しました
ます: ます です ました でした
か: か ますか ですか でしょうか
ください: ください 下さい
어떻게: 어떻게 어떡해
하: 하나요 합니까 할까요 하세요 해요 합니다 하는
습니다: 습니다 습니까
"""
QUESTIONS = frozenset("怎么 能 何时 多久 多少 哪里 为何 什么 吗 呢 几 谁 どう なぜ か いつ どこ 어떻게 언제 어디 왜".split())
NEGATIONS = frozenset("不 没有 未 勿 别 ない".split())
FUNCTION_WORDS = QUESTIONS | frozenset(
    "的 了 在 是 有 我 你 您 他 她 们 這 这 那 和 与 跟 把 被 就 也 都 要 想 请 请问 吧 啊 呀 嘛 个 "
    "は が を に の で と も へ や よ ね て た し い る す ま する ます ください 教えて できる たい お ご "
    "을 를 은 는 에 의 로 하 습니다 요".split()
)
"""Words that say what kind of sentence it is and not what it is about, in the forms of this module."""

_CANONICAL = {
    form: tuple(name.split())
    for name, forms in (line.split(": ") for line in _FORMS.strip().splitlines())
    for form in forms.split()
}
_PHRASE = re.compile("|".join([*sorted(_CANONICAL, key=len, reverse=True), r"(?P<same>.)不(?P=same)"]))


def east_asian_words(words: tuple[str, ...]) -> tuple[str, ...]:
    """The words of a run with function words in one form.

    Args:
        words: The words of the run, each ideograph by itself.

    Returns:
        The words; those of a repeated question (`能不能`) and of `_FORMS` are one each.
    """
    found: list[str] = []
    characters: list[str] = []
    for word in words:
        if len(word) == 1 and IDEOGRAPH.match(word):
            characters.append(word)
        else:
            found += [*_cut("".join(characters)), word]
            characters = []
    return (*found, *_cut("".join(characters)))


def _cut(text: str) -> list[str]:
    """The function words of a text without blanks, and its other characters one by one."""
    found: list[str] = []
    end = 0
    for match in _PHRASE.finditer(text):
        same = match["same"]
        found += [*text[end : match.start()], *((same,) if same else _CANONICAL[match.group()])]
        end = match.end()
    return [*found, *text[end:]]
