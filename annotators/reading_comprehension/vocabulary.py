"""The English words that the patterns of reading tasks go by."""

from __future__ import annotations

import re


def one_of(words: str) -> str:
    """A regular expression for one of the words; `_` stands for a space within one."""
    return f"(?:{'|'.join(w.replace('_', ' ') for w in words.split())})"


# What begins with one of these leans on another sentence, or is no name.
LEANING = frozenset(
    "this that these those it they he she we you i there here what which who whom whose some most many much few several "
    "other others another such each every all both either neither no one two three four five any none nothing something "
    "anything if when while although though because since as after before during in on at by for with without to from under "
    "over of and but or so yet then thus hence therefore however also only not first second third next finally last its "
    "their his her our your my more less same latter former today now further".split()
)
PRONOUNS = frozenset("it they them he she this these those that".split())
VERBS = frozenset(
    "is are was were be been being has have had do does did can could may might must shall should will would that which "
    "who whose where when if because while although than and or but not as to by with for from at on".split()
)
# "the process of ..." says what something is, "the goal of ..." does not.
GENERA = one_of(
    "process study state condition ability inability loss presence absence amount number set subset branch name term movement "
    "formation practice science measure ratio rate degree sum act art use transfer tendency period time region space force "
    "energy part_of layer body_of failure removal breakdown flow volume mass distance spread growth change capacity extent "
    "idea belief right effort"
)
# What says how good, frequent or important something is, or what it is an instance of here, does not say what it is.
NO_GENUS = one_of(
    "common frequent rare major minor main leading important key good better best useful reasonable strong weak possible "
    "likely potential powerful significant serious severe critical crucial vital essential necessary new big great large "
    "small real recommended first second third last further similar different special well-known simple natural safe poor "
    "bad little lot few number bit must matter result consequence cause sign symptom reason example problem question "
    "alternative contraindication option choice risk warning marker predictor feature step goal target challenge concern "
    "priority way means case complication exception measure clinical_diagnosis function factor sufficient central "
    "fundamental prime primary late early true valid party plus day week month"
)
RELATING = one_of(
    "that which who whose where of caused characterized characterised used made found formed given between produced composed "
    "consisting containing marked defined designed named located for from"
)
# "The aim is ..." says what the aim is here, not what an aim is.
RELATIVE = one_of(
    "most main best usual typical next only other key limiting likely correct right final resulting first last new present "
    "current whole remaining overall primary major"
)
ROLES = one_of(
    "aim goal purpose cause reason result effect answer treatment choice drug alternative reliever risk target outcome rest "
    "condition disease disorder syndrome test patient difference problem factor point idea rule exception case study group "
    "method model system_used value number amount agent medicine medication party agreement company"
)
# These belong to what comes after them.
HANGING = one_of(
    r"not only just mainly mostly partly largely simply probably perhaps possibly merely chiefly either or and but is are was "
    r"were be it this than especially particularly even often usually \w+ly"
)
TURNS = re.compile(
    r",? (?:but|so|while|whereas|although|though|and (?:therefore|thus|so|hence)|unless|because|since|however|yet)\b"
    r"|\b(?:therefore|thus|hence)\b"
)

UNITS = one_of(
    "percent per_?cent % mg g kg µg mcg micrograms? grams? ml mL L liters? litres? mm cm km m meters? metres? kilometers? "
    "mmol mEq mmHg seconds? minutes? hours? days? weeks? months? years? times degrees °C °F kJ J joules eV MeV Hz kHz MHz "
    "dollars patients people participants points? doses? cells? joints? beats members Members Senators Representatives "
    "States votes"
)
NUMBER = re.compile(rf"(?<![\w.,/–-])(?:\$\d[\d,.]*\d|\d+(?:,\d{{3}})*(?:\.\d+)?\s?{UNITS})(?![\w/^–-])")

# A condition, a view, a share or a rule with exceptions: what it says is not said flatly.
NOT_FLAT = re.compile(
    r"\b"
    + one_of(
        r"if unless whether would could might may can should suppose assume imagine consider perhaps probably likely possibly "
        r"possible appears? seems? suggests? believed? thought said reported claims? argue[sd]? hypothes\w+ estimated expected "
        r"supposed usually often sometimes generally typically mainly mostly normally commonly frequently occasionally largely "
        r"primarily almost nearly some most many few several any all every each both either neither nor only also even just "
        r"still except always ever otherwise or then thus therefore instead again so for_example such_as when while where "
        r"until once after before however although though but than"
    )
    + r"\b",
    re.I,
)
# Before a number: a bound or a rounding, which another number may not contradict.
BOUND = re.compile(
    r"\b"
    + one_of(
        r"more less fewer greater higher lower over under above below least most minimum maximum up_to within about around "
        r"approximately roughly nearly almost some exceed\w* beyond between from to at or per every another further additional "
        r"later earlier ago after before until younger older than limit\w*"
    )
    + r"\W+(?:[\w-]+\W+){0,3}$",
    re.I,
)
NEGATED = re.compile(
    r"\b(?:not|no|never|nor|neither|none|without|cannot|hardly|rarely|seldom|scarcely|lacks?|absen\w+|\w+n['’]t|fails?|unlike)\b",
    re.I,
)
# Either of a pair in the other's place makes the contrary.
_PAIRS = (
    "increases decreases", "increased decreased", "raises lowers", "higher lower", "larger smaller", "faster slower",
    "longer shorter", "highest lowest", "largest smallest", "stronger weaker", "weakens strengthens", "always never",
    "rises falls", "older younger", "heavier lighter", "dilates constricts", "inhibits stimulates", "absorbs releases",
)  # fmt: skip
CONTRARY = {one: other for pair in _PAIRS for one, other in (pair.split(), reversed(pair.split()))}
# With which an order begins: it is neither true nor false.
ORDERS = re.compile(
    one_of(
        "Use Report Give Check Take Keep Avoid Start Stop Place Apply Hold Do Be Make Write Store Add Ask Monitor Note Remember "
        "Ensure Administer Assess Observe Let See Find Calculate Determine Inform Teach Offer Refer Measure Record Repeat Wash "
        "Wear Read Compare Discontinue Instruct Advise Contact Obtain Select Choose Set Put Turn Move Show Prepare Perform "
        "Please"
    )
    + r"\b"
)
