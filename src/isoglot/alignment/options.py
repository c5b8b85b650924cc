"""The options of every alignment method: name, default, help text and bounds, each stated once.

The command line makes its options from these classes, and the loss modules take their defaults from them. The module
imports nothing heavy, so that ``isoglot align --help`` is quick.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import Field, dataclass, field
from typing import Any

from isoglot.corpora.code_switch import CODE_SWITCH_LEVELS
from isoglot.platform.errors import IsoglotError
from isoglot.transforms.shares import SHARES

TRAINING, LOSS, ADDED, OTHERS = "Training", "Loss", "Added to a trained method", "Untrained methods and distill"
HEADINGS = (TRAINING, LOSS, ADDED, OTHERS)
"""The headings under which ``isoglot align --help`` shows the options."""

TOKEN_KINDS = ("maxsim", "transport")
TEACHERS = ("center", "lir")


@dataclass(frozen=True, kw_only=True)
class OptionHelp:
    """How the command line shows an option.

    Attributes:
        text: What the option is, in one line.
        heading: The heading that it stands under.
        choices: The values that it takes; empty: any of its type.
        off_flag: A flag that sets the option to 0; empty: there is none.
    """

    text: str
    heading: str
    choices: Sequence[str] = ()
    off_flag: str = ""


def option(default: Any, text: str, heading: str, *, choices: Sequence[str] = (), off_flag: str = "") -> Any:
    """A dataclass field with a default and an `OptionHelp`; `choices` are appended to `text`."""
    if choices:
        text = f"{text}: {' or '.join(choices)}."
    described = OptionHelp(text=text, heading=heading, choices=choices, off_flag=off_flag)
    return field(default=default, metadata={"help": described})


def option_help(option_field: Field[Any]) -> OptionHelp:
    """What `option` put into a field."""
    described: OptionHelp = option_field.metadata["help"]
    return described


def _learning_rate(default: float) -> Any:
    return option(
        default, "Peak learning rate, between a linear warm-up over a tenth of the steps and a linear decay.", TRAINING
    )


def _temperature() -> Any:
    return option(0.05, "Temperature of InfoNCE's cosine similarities.", LOSS)


def _nce_weight(default: float) -> Any:
    return option(default, "Weight of InfoNCE in the loss; 0: none.", LOSS, off_flag="--no-nce")


def _hard_negatives() -> Any:
    return option(0, "Number of hard negatives mined for each example, equal over languages.", ADDED)


@dataclass(frozen=True)
class NoOptions:
    """The options of `soft-center` and `leace`, which have none."""


QUERY_LANGUAGES = ("given", "detected", "inferred", "common")

BY_THE_DATA = -1.0
"""The query share that `isoglot.alignment.request.prepare` replaces by one of `isoglot.transforms.shares.SHARES`."""


def _query_share() -> Any:
    return option(
        BY_THE_DATA,
        "Share of the queries' mean to subtract, 0 to 1; -1 chooses by the data: "
        + ", ".join(f"{kind} {share:g}" for kind, share in SHARES.items())
        + ".",
        OTHERS,
    )


def _check_query_share(share: float) -> None:
    if share != BY_THE_DATA and not 0 <= share <= 1:
        raise IsoglotError(f"query share is {share:g}; it must be from 0 to 1")


@dataclass(frozen=True, kw_only=True)
class CenterOptions:
    """The options of `center`.

    Raises:
        IsoglotError: A value is out of range.
    """

    query_share: float = _query_share()
    query_language: str = option(
        "given",
        "Where a query's language comes from: the caller, its text, its vector, or nowhere (one mean for all)",
        OTHERS,
        choices=QUERY_LANGUAGES,
    )

    def __post_init__(self) -> None:
        _check_query_share(self.query_share)
        _check_choice("query language", self.query_language, QUERY_LANGUAGES)


@dataclass(frozen=True)
class ShiftOptions:
    """The options of `shift`.

    Raises:
        IsoglotError: `alpha` is not from 0 to 10.
    """

    alpha: float = option(
        1.0, "Factor of a language's mean offset from English that its documents lose, 0 to 10.", OTHERS
    )

    def __post_init__(self) -> None:
        if not 0 <= self.alpha <= 10:
            raise IsoglotError(f"alpha is {self.alpha}; it must be from 0 to 10")


@dataclass(frozen=True)
class LirOptions:
    """The options of `lir`.

    Raises:
        IsoglotError: `r` is below 1.
    """

    r: int = option(1, "Number of directions to remove from each language.", OTHERS)

    def __post_init__(self) -> None:
        if self.r < 1:
            raise IsoglotError(f"r is {self.r}; lir removes at least 1 direction")


@dataclass(frozen=True)
class WccnOptions:
    """The options of `wccn`.

    Raises:
        IsoglotError: `shrinkage` is not above 0 or not finite.
    """

    shrinkage: float = option(
        3.0, "Multiple of its mean eigenvalue that is added to the covariance of translations.", OTHERS
    )

    def __post_init__(self) -> None:
        if not 0 < self.shrinkage < math.inf:
            raise IsoglotError(f"shrinkage is {self.shrinkage}; it must be above 0 and finite")


@dataclass(frozen=True, kw_only=True)
class TrainingOptions:
    """How long, how strongly and how much of a model to train.

    Raises:
        IsoglotError: A value is out of range, or `train_embeddings` meets an option that freezes them.
    """

    epochs: float = option(1.0, "Passes over the training examples; a fraction is allowed.", TRAINING)
    batch_size: int = option(32, "Largest number of contents in a batch, over all processes; at least 2.", TRAINING)
    learning_rate: float = _learning_rate(5e-5)
    max_length: int = option(128, "Largest number of tokens of a training text; longer ones are cut.", TRAINING)
    dropout: bool = option(
        False,
        "Train with the model's dropout; alignment needs none, and it doubles the time of a forward pass.",
        TRAINING,
    )
    train_embeddings: bool = option(False, "Train the word embeddings too.", TRAINING)
    layers: int = option(
        0, "Number of last transformer layers to train, with the modules after them; 0: all.", TRAINING
    )
    lora: int = option(
        0, "Rank of the low-rank factors (LoRA) to train instead of the weights; 0: train the weights.", TRAINING
    )
    micro_batch: int = option(
        0,
        "Number of texts in memory at once; the gradients are those of the whole batch, at about a third more time "
        "(GradCache); 0: the whole batch.",
        TRAINING,
    )
    report_to: str = option(
        "none", "Tracker to report the loss to, by its name in transformers, e.g. tensorboard.", TRAINING
    )

    def __post_init__(self) -> None:
        if self.batch_size < 2:
            raise IsoglotError(
                f"batch size {self.batch_size}: a batch needs at least 2 contents, else there are no negatives"
            )
        for name in ("epochs", "learning_rate"):
            if not 0 < getattr(self, name) < math.inf:
                raise IsoglotError(f"{name.replace('_', ' ')} is {getattr(self, name)}; it must be above 0 and finite")
        if self.max_length < 8:
            raise IsoglotError(f"max length is {self.max_length}; prompt and text need at least 8 tokens")
        for name in ("layers", "lora", "micro_batch"):
            if getattr(self, name) < 0:
                raise IsoglotError(f"{name.replace('_', ' ')} is {getattr(self, name)}; it must be at least 0")
        if self.train_embeddings and (self.layers or self.lora):
            raise IsoglotError("train embeddings goes neither with layers nor with lora, which freeze them")


@dataclass(frozen=True, kw_only=True)
class AdditionOptions(TrainingOptions):
    """`TrainingOptions` and what can be added to every trained method.

    Code-switching and its levels are described in `isoglot.alignment.training.code_switch`, the distances of tokens in
    `isoglot.alignment.training.tokens`.

    Raises:
        IsoglotError: A value is out of range or unknown.
    """

    code_switch: float = option(
        0.0, "Probability that a query is replaced by a mix of itself and its translation, 0 to 1.", ADDED
    )
    code_switch_level: str = option("clause", "What is mixed", ADDED, choices=CODE_SWITCH_LEVELS)
    token_weight: float = option(
        0.0, "Weight of the distance between the tokens of a document and of its translation; 0: none.", ADDED
    )
    token_kind: str = option("maxsim", "Distance between tokens", ADDED, choices=TOKEN_KINDS)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.code_switch <= 1:
            raise IsoglotError(f"code switch is {self.code_switch}; it is a share from 0 to 1")
        _check_choice("code switch level", self.code_switch_level, CODE_SWITCH_LEVELS)
        _check_choice("token kind", self.token_kind, TOKEN_KINDS)


@dataclass(frozen=True, kw_only=True)
class JsdNceOptions(AdditionOptions):
    """The options of `jsd-nce`; the hard negatives are queries, or documents with `nce_psg`.

    Raises:
        IsoglotError: A value is out of range or unknown.
    """

    temperature: float = _temperature()
    softmax_temperature: float = option(
        0.05, "Temperature of the softmax over an embedding's dimensions in L_JSD.", LOSS
    )
    eps: float = option(1e-8, "Constant inside the root of L_JSD.", LOSS)
    jsd_weight: float = option(1.0, "Weight of L_JSD; 1 in the paper.", LOSS, off_flag="--no-jsd")
    nce_weight: float = _nce_weight(1.0)
    nce_psg: bool = option(
        False, "Ablation: InfoNCE between translations and English documents instead of queries (L_NCE_psg).", LOSS
    )
    raw: bool = option(
        False, "Compute L_JSD on pooled vectors instead of unit vectors; the paper does not say which.", LOSS
    )
    hard_negatives: int = _hard_negatives()

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("temperature", "softmax_temperature", "eps"):
            _check_above_0(name.replace("_", " "), getattr(self, name))


@dataclass(frozen=True, kw_only=True)
class NceOptions(AdditionOptions):
    """The options of `nce`; the hard negatives are documents.

    Raises:
        IsoglotError: A value is out of range or unknown.
    """

    temperature: float = _temperature()
    hard_negatives: int = _hard_negatives()

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_above_0("temperature", self.temperature)


@dataclass(frozen=True, kw_only=True)
class DistillOptions(AdditionOptions):
    """The options of `distill`; InfoNCE is that of `nce`, beside the teachers.

    Raises:
        IsoglotError: A value is out of range or unknown.
    """

    learning_rate: float = _learning_rate(1e-4)
    teacher: str = option("center", "Method of the teacher, lir with one direction", OTHERS, choices=TEACHERS)
    query_share: float = _query_share()
    by_source: bool = option(
        False, "Fit a teacher for each source of the rows, since headings and questions have different means.", OTHERS
    )
    scale: float = option(20.0, "Factor of the distance from the teachers.", OTHERS)
    mix: float = option(0.0, "Share of the mean over all translations in a text's teacher, 0 to 1.", OTHERS)
    nce_weight: float = _nce_weight(0.0)
    temperature: float = _temperature()

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_choice("teacher", self.teacher, TEACHERS)
        _check_query_share(self.query_share)
        if not 0 <= self.mix <= 1:
            raise IsoglotError(f"mix is {self.mix}; it must be from 0 to 1")
        _check_above_0("temperature", self.temperature)

    @property
    def pairs_languages(self) -> bool:
        """Whether the loss sees a content in English and in another language at once."""
        return bool(self.nce_weight or self.token_weight or self.code_switch)

    @property
    def needs_rows(self) -> bool:
        """Whether rows have to say which texts belong together; else a corpus without labels is enough."""
        return bool(self.pairs_languages or self.mix)


def _check_choice(name: str, value: str, choices: Sequence[str]) -> None:
    if value not in choices:
        raise IsoglotError(f"unknown {name} {value!r}; choose {' or '.join(choices)}")


def _check_above_0(name: str, value: float) -> None:
    if not value > 0:
        raise IsoglotError(f"{name} is {value}; it must be above 0")
