"""The general verifiers, by the name a `domain.yaml` gives them. A domain's own stand beside them in its
`verifiers.py`."""

from zoo.api import Verifier
from zoo.verifiers.choice import choice
from zoo.verifiers.label import label
from zoo.verifiers.number import number
from zoo.verifiers.short import short
from zoo.verifiers.text import text
from zoo.verifiers.yes_no_maybe import yes_no_maybe

VERIFIERS: dict[str, Verifier] = {
    "choice": choice,
    "yes_no_maybe": yes_no_maybe,
    "short": short,
    "number": number,
    "label": label,
    "text": text,
}
