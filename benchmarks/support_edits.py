"""Claims made from sentences of sources by rule: faithful ones (shortened, joined, reworded) and corrupted ones.

What `benchmarks/support.py` measures with and `benchmarks/support_training.py` learns from. Every rule takes the
sentence and a random generator, and returns a sentence, or None where it does not apply.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

Rule = Callable[[str, random.Random], str | None]

# fmt: off
_NUMBER_WORDS = ("two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
_MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October",
    "November", "December",
)
_REWORDINGS = (
    ("approximately", "about"), ("in order to", "to"), ("began", "started"), ("such as", "like"),
    ("for example", "for instance"), ("because", "since"), ("although", "though"), ("however, ", ""),
    ("also ", ""), ("therefore", "thus"), ("percent", "%"), ("a number of", "several"),
    ("is located in", "lies in"), ("many", "a lot of"), ("use of", "usage of"), ("due to", "because of"),
    ("during", "in the course of"), ("often", "frequently"), ("usually", "normally"), ("was able to", "could"),
    ("were able to", "could"), ("is able to", "can"), ("known as", "called"), ("became", "turned into"),
    ("received", "got"), ("obtained", "got"), ("children", "kids"), ("purchased", "bought"),
    ("required", "needed"), ("requires", "needs"), ("attempted", "tried"), ("ended", "finished"),
    ("died", "passed away"), ("help ", "assist "), ("show that", "demonstrate that"), ("large", "big"),
    ("near", "close to"), ("most of", "the majority of"), ("consists of", "is made up of"),
    ("contains", "includes"), ("entire", "whole"), ("occurred", "happened"), ("occurs", "happens"),
    ("created", "made"), ("primarily", "mainly"), ("first", "1st"), ("second", "2nd"), ("located", "situated"),
    ("around", "about"), ("within", "inside"), ("throughout", "all over"), ("nearly", "almost"),
    ("led to", "resulted in"), ("leads to", "results in"), ("caused by", "brought about by"),
    ("cannot", "can't"), ("did not", "didn't"), ("does not", "doesn't"), ("is not", "isn't"),
    ("was not", "wasn't"), ("it is", "it's"), ("they are", "they're"), ("over ", "more than "),
)
ANTONYMS = (
    ("increase", "decrease"), ("increases", "decreases"), ("increased", "decreased"),
    ("increasing", "decreasing"), ("higher", "lower"), ("high", "low"), ("highest", "lowest"), ("more", "less"),
    ("more", "fewer"), ("most", "least"), ("larger", "smaller"), ("large", "small"), ("largest", "smallest"),
    ("before", "after"), ("above", "below"), ("early", "late"), ("earlier", "later"), ("first", "last"),
    ("improve", "worsen"), ("improves", "worsens"), ("improved", "worsened"), ("promote", "inhibit"),
    ("promotes", "inhibits"), ("promoted", "inhibited"), ("activate", "inhibit"), ("activates", "inhibits"),
    ("activated", "inhibited"), ("activation", "inhibition"), ("enhance", "impair"), ("enhances", "impairs"),
    ("enhanced", "impaired"), ("induces", "prevents"), ("induced", "prevented"), ("induce", "prevent"),
    ("positive", "negative"), ("positively", "negatively"), ("presence", "absence"), ("present", "absent"),
    ("always", "never"), ("all", "none"), ("better", "worse"), ("best", "worst"), ("longer", "shorter"),
    ("long", "short"), ("faster", "slower"), ("fast", "slow"), ("strong", "weak"), ("stronger", "weaker"),
    ("strongest", "weakest"), ("north", "south"), ("northern", "southern"), ("east", "west"),
    ("eastern", "western"), ("male", "female"), ("men", "women"), ("man", "woman"), ("father", "mother"),
    ("son", "daughter"), ("king", "queen"), ("won", "lost"), ("win", "lose"), ("accepted", "rejected"),
    ("allowed", "forbidden"), ("allows", "forbids"), ("allow", "forbid"), ("include", "exclude"),
    ("includes", "excludes"), ("included", "excluded"), ("raise", "lower"), ("raises", "lowers"),
    ("raised", "lowered"), ("rise", "fall"), ("rose", "fell"), ("gain", "loss"), ("started", "ended"),
    ("began", "ended"), ("begins", "ends"), ("opened", "closed"), ("open", "closed"), ("public", "private"),
    ("common", "rare"), ("major", "minor"), ("maximum", "minimum"), ("success", "failure"),
    ("successful", "unsuccessful"), ("succeeded", "failed"), ("possible", "impossible"), ("able", "unable"),
    ("likely", "unlikely"), ("effective", "ineffective"), ("necessary", "unnecessary"),
    ("important", "unimportant"), ("safe", "unsafe"), ("supported", "opposed"), ("support", "oppose"),
    ("upregulated", "downregulated"), ("upregulates", "downregulates"), ("accelerates", "slows"),
    ("protects", "harms"), ("protective", "harmful"), ("elevated", "reduced"), ("reduce", "increase"),
    ("reduces", "increases"), ("reduced", "increased"), ("reduction", "increase"), ("greater", "smaller"),
    ("younger", "older"), ("oldest", "youngest"), ("old", "new"), ("inside", "outside"),
    ("internal", "external"), ("hot", "cold"), ("warm", "cool"), ("wet", "dry"), ("heavy", "light"),
    ("rich", "poor"), ("expensive", "cheap"), ("easy", "difficult"), ("good", "bad"), ("left", "right"),
    ("up", "down"), ("top", "bottom"), ("upper", "lower"), ("with", "without"), ("same", "different"),
    ("similar", "different"), ("majority", "minority"), ("many", "few"), ("often", "rarely"),
    ("frequently", "seldom"), ("usually", "rarely"), ("both", "neither"), ("agree", "disagree"),
    ("agreed", "disagreed"), ("acute", "chronic"), ("benign", "malignant"), ("sensitive", "resistant"),
    ("dependent", "independent"),
)
_AUXILIARIES = (
    "is", "are", "was", "were", "has been", "have been", "had been", "can", "could", "will", "would", "should",
    "must", "may", "does", "do", "did",
)
# fmt: on
_NUMBER = re.compile(r"(?<![\w.,])\d+(?:,\d{3})*(?:\.\d+)?(?![\w]|[.,]\d)")
_NAME = re.compile(r"\b[A-Z][\w'’.-]*[\w](?:(?: of| de| the| von| van)? [A-Z][\w'’-]+)*")
_NEGATION = re.compile(r"(?:\b(?:not|never) |n't\b)")
_LEAD = re.compile(r"^((?:In|On|During|Since|By|After|Before|At) [^,]{3,40}), (\w.*?)([.!]?)$")
_OPENER = re.compile(
    r"^(?:However|Moreover|Furthermore|In addition|Additionally|Also|Thus|Therefore|Finally|For example|For instance|"
    r"Indeed), "
)
_TAIL = re.compile(
    r"^(.{30,}?), (?:which|who|where|whose|while|although|because|including|such as|as well as) [^.]*\.$"
)
_BRACKETS = re.compile(r" ?[(\[][^()\[\]]*[)\]]")


def _replace_at(text: str, start: int, end: int, new: str) -> str:
    if start == 0 and text[:1].isupper():
        new = new[:1].upper() + new[1:]
    return text[:start] + new + text[end:]


def another_number(text: str, rng: random.Random) -> str | None:
    """One number of the sentence, or a month or a number word, becomes another one."""
    spots = [(m.start(), m.end(), _other_figure(m[0], rng)) for m in _NUMBER.finditer(text)]
    for words in (_NUMBER_WORDS, _MONTHS):
        for word in words:
            spots += [
                (m.start(), m.end(), rng.choice([other for other in words if other != word]))
                for m in re.finditer(rf"\b{word}\b", text)
                if word != "May" or text[m.end() : m.end() + 2].strip().isdigit()
            ]
    if not spots:
        return None
    start, end, new = rng.choice(spots)
    return _replace_at(text, start, end, new)


def _other_figure(figure: str, rng: random.Random) -> str:
    value = float(figure.replace(",", ""))
    if "." in figure:
        places = len(figure.partition(".")[2])
        return f"{max(0.0, value * rng.choice((0.5, 0.8, 1.3, 2.0))) + 10**-places:.{places}f}"
    whole = int(value)
    if 1000 <= whole <= 2100 and "," not in figure:
        return str(whole + rng.choice((-30, -12, -7, -3, -1, 1, 2, 5, 9, 20)))
    if whole < 20:
        return str(rng.choice([other for other in range(1, 25) if other != whole]))
    other = max(1, round(whole * rng.choice((0.3, 0.6, 0.9, 1.2, 1.5, 3)))) + rng.choice((-1, 1, 2))
    return f"{other:,}" if "," in figure else str(other)


def names_in(text: str) -> list[tuple[int, int]]:
    """Places of capitalised runs, but for a single word that opens the sentence."""
    return [
        (m.start(), m.end())
        for m in _NAME.finditer(text)
        if (m.start() > 0 or " " in m[0]) and m[0] not in _MONTHS and len(m[0]) > 2
    ]


def another_name(pool: Sequence[str]) -> Rule:
    """One name of the sentence becomes one of `pool`, of as many words where there is such a one."""

    def rule(text: str, rng: random.Random) -> str | None:
        spots = [
            (start, end) for start, end in names_in(text) if text[:start].rstrip()[-1:] not in tuple('.!?:"“')
        ]
        lower = text.lower()
        others = [
            name
            for name in pool
            if name.lower() not in lower and not set(name.lower().split()) & set(lower.split())
        ]
        if not spots or not others:
            return None
        start, end = rng.choice(spots)
        alike = [name for name in others if name.count(" ") == text[start:end].count(" ")]
        return text[:start] + rng.choice(alike or others) + text[end:]

    return rule


def swapped_roles(text: str, rng: random.Random) -> str | None:
    """Two names of the sentence that are not parts of one list change places."""
    spots = names_in(text)
    pairs = [
        (a, b)
        for i, a in enumerate(spots)
        for b in spots[i + 1 :]
        if 8 <= b[0] - a[1] <= 70
        and not re.fullmatch(r"[\s,]*(?:and|or|with)?[\s,]*", text[a[1] : b[0]])
        and not re.search(r"\band\b|\bor\b|[,;()]|\bbetween\b|\bwith\b", text[a[1] : b[0]])
        and text[a[0] : a[1]].lower() != text[b[0] : b[1]].lower()
    ]
    if not pairs:
        return None
    (a0, a1), (b0, b1) = rng.choice(pairs)
    return text[:a0] + text[b0:b1] + text[a1:b0] + text[a0:a1] + text[b1:]


def flipped_negation(text: str, rng: random.Random) -> str | None:
    """A negation goes, or comes in after an auxiliary verb."""
    found = list(_NEGATION.finditer(text))
    if found:
        match = rng.choice(found)
        if match[0] == "n't":
            head = text[: match.start()]
            head = (
                head[:-2] + "can"
                if head.endswith("ca")
                else head[:-2] + "will"
                if head.endswith("wo")
                else head
            )
            return head + text[match.end() :]
        return text[: match.start()] + text[match.end() :]
    if re.search(r"\b(?:no|none|neither|nor|without|nobody|nothing|hardly|rarely)\b", text, re.IGNORECASE):
        return None
    spots = [
        match
        for auxiliary in _AUXILIARIES
        for match in re.finditer(rf"(?<=[a-z0-9)\]] )\b{auxiliary}\b(?= [a-z0-9])", text)
    ]
    spots = [m for m in spots if not re.match(r" (?:not|also not|only)\b", text[m.end() :])]
    if not spots:
        return None
    match = min(spots, key=lambda m: m.start()) if rng.random() < 0.7 else rng.choice(spots)
    first, _, rest = match[0].partition(" ")
    word = "never" if rng.random() < 0.15 and first in ("was", "were", "is", "are") else "not"
    new = f"{first} {word} {rest}".rstrip()
    if word == "not" and rng.random() < 0.3 and first not in ("may", "will", "can"):
        new = f"{first}n't {rest}".rstrip()
    return text[: match.start()] + new + text[match.end() :]


def reversed_by(antonyms: Mapping[str, Sequence[str]]) -> Rule:
    """One word becomes its opposite."""

    def rule(text: str, rng: random.Random) -> str | None:
        spots = [
            m
            for m in re.finditer(r"\b[A-Za-z]+\b", text)
            if m[0].lower() in antonyms and (m.start() == 0 or m[0].islower())
        ]
        if not spots:
            return None
        match = rng.choice(spots)
        return _replace_at(text, match.start(), match.end(), rng.choice(list(antonyms[match[0].lower()])))

    return rule


def both_ways(pairs: Sequence[tuple[str, str]]) -> dict[str, list[str]]:
    """Opposites by word."""
    table: dict[str, list[str]] = {}
    for a, b in pairs:
        table.setdefault(a, []).append(b)
        table.setdefault(b, []).append(a)
    return table


def wordnet_antonyms(folder: Path) -> list[tuple[str, str]]:
    """Pairs of single words that WordNet calls antonyms; `folder` is Debian's /usr/share/wordnet."""
    pairs: set[tuple[str, str]] = set()
    for part in ("adj", "adv", "verb", "noun"):
        senses: dict[str, list[str]] = {}
        pointers: list[tuple[str, str, str]] = []
        for line in (folder / f"data.{part}").read_text("utf-8").splitlines():
            if line.startswith(" "):
                continue
            fields = line.split(" | ")[0].split()
            count = int(fields[3], 16)
            words = [re.sub(r"\(.*\)", "", fields[4 + 2 * i]).replace("_", " ") for i in range(count)]
            senses[fields[0]] = words
            at = 4 + 2 * count
            for i in range(int(fields[at])):
                symbol, target, kind, which = fields[at + 1 + 4 * i : at + 5 + 4 * i]
                if symbol == "!":
                    source = int(which[:2], 16)
                    pointers.append((words[source - 1], target + which[2:], kind))
        for word, target, _ in pointers:
            others = senses.get(target[:8], [])
            index = int(target[8:], 16) - 1
            if (
                index < len(others)
                and word.isalpha()
                and others[index].isalpha()
                and word.islower()
                and others[index].islower()
            ):
                pairs.add(tuple(sorted((word, others[index]))))  # type: ignore[arg-type]
    return sorted(pairs)


def shortened(text: str, rng: random.Random) -> str | None:
    """What stands in brackets, an opening word or a clause at the end goes."""
    ways = [_BRACKETS.sub("", text), _OPENER.sub("", text)]
    if match := _TAIL.match(text):
        ways.append(match[1] + ".")
    changed = [way for way in ways if way != text and len(way) > 30]
    if not changed:
        return None
    new = rng.choice(changed)
    return new[:1].upper() + new[1:]


def moved(text: str, rng: random.Random) -> str | None:
    """ "In 1990, it began." becomes "It began in 1990." """
    match = _LEAD.match(text)
    if not match or ";" in text or match[2].count(",") > 1:
        return None
    lead = match[1][0].lower() + match[1][1:]
    return f"{match[2][0].upper()}{match[2][1:]} {lead}{match[3] or '.'}"


def reworded(text: str, rng: random.Random) -> str | None:
    """Up to four words or figures written in another way."""
    ways = [(old, new) for old, new in _REWORDINGS if re.search(rf"\b{re.escape(old.strip())}\b", text)]
    rng.shuffle(ways)
    new_text = text
    for old, new in ways[:4]:
        new_text = re.sub(
            rf"\b{re.escape(old)}(?!\w)" if old[-1].isalpha() else rf"\b{re.escape(old)}",
            new,
            new_text,
            count=1,
        )
    for position, word in enumerate(_NUMBER_WORDS, start=2):
        if rng.random() < 0.5:
            new_text = re.sub(rf"(?<=[a-z] )\b{word}\b", str(position), new_text, count=1)
    new_text = re.sub(r"(?<=\d),(?=\d{3}\b)", "", new_text) if rng.random() < 0.5 else new_text
    new_text = re.sub(r"\s+", " ", new_text).replace(" %", "%")
    return new_text if new_text != text else None


def joined(text: str, following: str, rng: random.Random) -> str | None:
    """Two sentences in one."""
    if len(text) + len(following) > 300 or not text.endswith(".") or not following[:1].isupper():
        return None
    second = (
        following
        if names_in(following)[:1] and names_in(following)[0][0] == 0
        else following[0].lower() + following[1:]
    )
    if re.match(r"I\b", following) or re.match(r"[A-Z]{2}", following):
        second = following
    return text[:-1] + rng.choice((", and ", "; ", " and ", ", while ")) + second


_SUBJECT = re.compile(
    r"^(?:who|what|which)(?: (?!(?:is|are|was|were|did|does|do|can|has|had|have|will|would)\b)[\w-]+){0,3}? "
    r"(?=(?:[a-z]+(?:ed|s)|won|led|wrote|made|held|built|became|began|took|gave|ran|sold|beat|sent|kept|got|went|"
    r"came) )",
    re.IGNORECASE,
)
_COPULA = re.compile(
    r"^(?:[Ww]hat|[Ww]ho) (is|are|was|were) "
    r"(?!.*\b(?:called|named|used|known|considered|by|for|to|in|of|on|at|from|with)\?$)(the .+?|[A-Z].+?)\?$"
)
_PASTS = {
    "begin": "began",
    "start": "started",
    "end": "ended",
    "die": "died",
    "occur": "occurred",
    "live": "lived",
    "open": "opened",
    "happen": "happened",
    "arrive": "arrived",
    "retire": "retired",
    "close": "closed",
    "move": "moved",
    "return": "returned",
    "fall": "fell",
    "form": "formed",
    "leave": "left",
    "grow": "grew",
    "study": "studied",
    "work": "worked",
    "settle": "settled",
}
_LINKS = (
    "in ",
    "at ",
    "on ",
    "during ",
    "after ",
    "before ",
    "around ",
    "from ",
    "since ",
    "near ",
    "under ",
)
_DID = re.compile(
    rf"^(?:in )?(?:when|where|what year|which year|what city|what country) (did) (.+ (?:{'|'.join(_PASTS)}))\?$",
    re.IGNORECASE,
)
_COUNT = re.compile(
    r"^how many ([\w -]+?) (are|were|have|had|live|lived|died|attended|make|was|is) (.+?)\?$", re.IGNORECASE
)


def declared(question: str, answer: str) -> str | None:
    """The question and its answer as a statement, for those shapes of question that allow it."""
    question, answer = question.strip(), answer.strip().rstrip(".,")
    if not question.endswith("?") or len(answer.split()) > 8:
        return None
    if match := _COUNT.match(question):
        return f"{answer} {match[1]} {match[2]} {match[3]}."
    if match := _COPULA.match(question):
        return f"{match[2][0].upper()}{match[2][1:]} {match[1].lower()} {answer}."
    if match := _DID.match(question):
        subject, _, verb = match[2].rpartition(" ")
        link = "" if answer.lower().startswith(_LINKS) else "in "
        return (
            f"{subject[0].upper()}{subject[1:]} {_PASTS[verb.lower()]} {link}{answer}." if subject else None
        )
    if match := _SUBJECT.match(question):
        return f"{answer[0].upper()}{answer[1:]} {question[match.end() : -1]}."
    return None
