"""``--method auto``: the cheap methods, then trained ones while the budget lasts, and the best that loses nothing.

Which methods are tried, in which order, how their time is estimated and which one is preferred is isoglot's own.
"""

from __future__ import annotations

import logging
import math
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec

from isoglot.alignment.card import write_record
from isoglot.alignment.corpus_texts import is_corpus
from isoglot.alignment.execute import execute
from isoglot.alignment.guard import LIFT, LossyError
from isoglot.alignment.options import DistillOptions
from isoglot.alignment.output import check_writable, finished, made_before
from isoglot.alignment.record import (
    RECORD,
    AlignmentRecord,
    AutoRecipe,
    AutoRecord,
    Trial,
    VerdictRecord,
    digest,
    read_record,
)
from isoglot.alignment.registry import METHODS, Method
from isoglot.alignment.request import Request, Run, prepare
from isoglot.encoders.prompts import ROLES
from isoglot.evaluation.goals import TOGETHER, find_goal
from isoglot.platform.errors import IsoglotError
from isoglot.platform.files import new_folder
from isoglot.training_data.row import Row

log = logging.getLogger(__name__)

TRIED = ("center", "soft-center", "lir", "leace", "wccn", "distill", "jsd-nce")

GAIN = f"multi {TOGETHER.headline}"
TAG_FREE_WITHIN = 1.0
"""How many points a method that needs no language tag may be behind one that does, and still be preferred."""

PASSES = 3
"""The cost of a training step for a text, in forward passes: one forward pass and a backward pass of about two."""

_SAMPLE = 16


def align_auto(
    request: Request, options: Mapping[str, Any], output: Path, *, seed: int, budget: float, no_tag: bool
) -> Path:
    """Try methods, each as an ordinary alignment in a folder beside `output`, and keep the best as `output`.

    An interrupted choice goes on with the methods that are not finished.

    Args:
        request: What all runs share.
        options: Options for those methods that have them.
        output: The folder to write.
        seed: Random seed of every training.
        budget: Minutes that may be used; methods without training are tried in any case.
        no_tag: Whether methods that need each text's language are left out.

    Raises:
        LossyError: The guard failed all; the one that lost least is kept.
        IsoglotError: No method has an option, there is no development split of several languages, or no method worked.
    """
    if not 0 <= budget < math.inf:
        raise IsoglotError(f"the budget is {budget} minutes; it must be 0 or more and finite")
    deadline = time.monotonic() + 60 * budget
    labels = not is_corpus(request.data)
    tried_methods = [METHODS[name] for name in TRIED]
    methods = [m for m in tried_methods if not (no_tag and m.needs_language) and (labels or not m.labels)]
    given = _options_by_method(methods, options)
    first = prepare(request, methods[0], given[methods[0].name], output, seed=seed)
    if first.development is None or len(first.development.languages) < 2:
        raise IsoglotError("auto needs a development split of several languages; name a collection with --dev")
    recipe = AutoRecipe(
        isoglot=first.recipe.isoglot,
        base=first.recipe.base,
        data=first.recipe.data,
        development=first.recipe.development,
        seed=seed,
        options=dict(options),
        budget=budget,
        no_tag=no_tag,
        max_loss=request.max_loss,
        keep_scale=request.keep_scale,
        goal=request.goal,
    )
    if not request.force and _chosen_before(first, recipe):
        return output
    check_writable(first)
    working = output.with_name(f".{output.name}.auto-{digest(recipe)}")
    tried = []
    for method in methods:
        run = prepare(replace(request, force=False), method, given[method.name], working / method.name, seed=seed)
        tried.append(_try(run, deadline - time.monotonic()))
    documents = first.development.documents
    translated = len({document.content_id for document in documents}) < len(documents)
    chosen, why = choose(tried, f"multi {find_goal(request.goal).headline}" if translated else LIFT)
    record = _record_with(working / chosen.folder, recipe, tried, why)
    passed = _passed(chosen.verdict)
    place = output if passed else first.lossy
    with new_folder(place, replaces=RECORD if request.force or not passed else None) as folder:
        shutil.copytree(working / chosen.folder, folder, dirs_exist_ok=True)
        write_record(folder, record)
    shutil.rmtree(working, ignore_errors=True)
    if not passed:
        raise _lossy_error(place, record)
    return output


def choose(tried: Sequence[Trial], by: str = GAIN) -> tuple[Trial, str]:
    """The best method that was tried, and why: the best in `by` of those that the guard passed.

    A method that needs no language tag is preferred up to `TAG_FREE_WITHIN` points behind; if none passed, it is the
    one that lost least.

    Args:
        tried: What was tried.
        by: What is to be high, such as `GAIN`; or `isoglot.alignment.guard.LIFT`, for collections without translations:
            the nearest to 1 is best, and 0.01 counts as a point.

    Raises:
        IsoglotError: No method could be audited.
    """
    verdicts = [(trial, trial.verdict.verdict()) for trial in tried if trial.verdict is not None]
    if not verdicts:
        raise IsoglotError("auto: " + "; ".join(f"{trial.method}: {trial.left_out}" for trial in tried))
    passed = [trial for trial, verdict in verdicts if verdict.passed]
    if not passed:
        least, _ = max(verdicts, key=lambda pair: pair[1].difference.mean)
        return least, "it lost least; the guard passed none"

    def points(trial: Trial) -> float:
        value = trial.measures.get(by)
        if value is None:
            return -math.inf
        return -100 * abs(value - 1) if by == LIFT else value

    best = max(passed, key=points)
    tag_free = max((trial for trial in passed if not trial.needs_language), key=points, default=best)
    if tag_free is not best and points(tag_free) >= points(best) - TAG_FREE_WITHIN:
        return tag_free, f"within {TAG_FREE_WITHIN:g} point of {best.method} in {by}, and it needs no language tag"
    return best, f"the {'best' if by == LIFT else 'highest'} {by} of those that the guard passed"


def _options_by_method(methods: Sequence[Method], options: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Method -> those of `options` that it has.

    Raises:
        IsoglotError: No method has one of them.
    """
    given = {
        method.name: {name: value for name, value in options.items() if name in method.option_names}
        for method in methods
    }
    unknown = sorted(set(options).difference(*given.values()))
    if unknown:
        raise IsoglotError(f"none of {', '.join(given)} has an option {unknown[0]!r}")
    return given


def _chosen_before(run: Run, recipe: AutoRecipe) -> bool:
    """Whether the output was chosen by the same recipe.

    Raises:
        LossyError: The guard failed all by the same recipe.
        IsoglotError: The output holds something else.
    """
    if made_before(run.target, lambda record: record.auto is not None and record.auto.recipe == recipe):
        return True
    lossy = read_record(run.lossy)
    if lossy is not None and lossy.auto is not None and lossy.auto.recipe == recipe and not _passed(lossy.verdict):
        raise _lossy_error(run.lossy, lossy)
    return False


def _passed(verdict: VerdictRecord | None) -> bool:
    """Whether the guard passes a model by today's rule; without a verdict it does not."""
    return verdict is not None and verdict.verdict().passed


def _record_with(folder: Path, recipe: AutoRecipe, tried: Sequence[Trial], why: str) -> AlignmentRecord:
    """The record of the chosen model, with what was tried."""
    record = read_record(folder)
    if record is None or record.measures is None:
        raise IsoglotError(f"{folder}: was changed while auto worked; remove it and run the same command again")
    auto = AutoRecord(
        recipe=recipe, budget=recipe.budget, base=record.measures.base["mean"], tried=list(tried), why=why
    )
    return msgspec.structs.replace(record, auto=auto)


def _lossy_error(folder: Path, record: AlignmentRecord) -> LossyError:
    if record.verdict is None:
        raise IsoglotError(f"{folder}: has no verdict; remove it and run the same command again")
    verdict = record.verdict.verdict()
    return LossyError(
        f"every method lost more than the {verdict.max_loss:g} allowed, {record.method} least ({verdict}); it is "
        f"kept as {folder}; try more data, --lora 16, a lower --learning-rate or a higher --max-loss",
        folder,
        verdict,
    )


def _try(run: Run, seconds_left: float) -> Trial:
    """Run one method if the time is enough; an error leaves it out."""
    left_out = Trial(
        method=run.method.name,
        needs_language=run.method.needs_language,
        folder=run.target.name,
        measures={},
        verdict=None,
        seconds=None,
        left_out="",
    )
    started = time.monotonic()
    try:
        if run.method.trained and finished(run) is None and (needed := seconds_needed(run)) > seconds_left:
            reason = f"left out: would take about {needed:.0f} s of the {max(0.0, seconds_left):.0f} s left"
            log.info("auto: %s %s", run.method.name, reason)
            return msgspec.structs.replace(left_out, left_out=reason)
        folder = execute(run)
    except LossyError as error:
        folder = error.folder
    except IsoglotError as error:
        log.warning("auto: %s", error)
        return msgspec.structs.replace(left_out, left_out=str(error))
    record = read_record(folder)
    measures = None if record is None else record.measures
    return msgspec.structs.replace(
        left_out,
        folder=folder.name,
        measures={} if measures is None else measures.aligned["mean"],
        verdict=None if record is None else record.verdict,
        seconds=round(time.monotonic() - started, 1),
    )


def seconds_needed(run: Run) -> float:
    """Estimate how long a trained method takes on this machine, its audits included, from a timed sample of its texts.

    Raises:
        IsoglotError: The run has no development split, or the model cannot be trained.
    """
    from isoglot.alignment.training.trainer import check_trainable

    check_trainable(run.encoder)
    development = run.recipe.development
    if development is None:
        raise IsoglotError("auto needs a development split; name a collection with --dev")
    texts = _TEXTS[run.method.name]
    queries, documents = (
        sum(column) for column in zip(*(texts(row, run.options) for row in run.training_rows), strict=True)
    )
    query, document = (_seconds_per_text(run, role) for role in ROLES)
    training = PASSES * run.options.epochs * (queries * query + documents * document)
    audit = development.queries * query + development.documents * document
    return float(training + math.ceil(run.options.epochs) * audit)


def _seconds_per_text(run: Run, role: str) -> float:
    """The time of one forward pass of a text, cut at the length to which the training cuts texts."""
    model, prompt = run.encoder.model, run.encoder.prompts[role]
    settings = {"prompt": prompt.text, "task": prompt.task, "show_progress_bar": False}
    texts = [text for row in run.training_rows for text in (row.query if role == "query" else row.document).values()]
    sample = texts[:: max(1, len(texts) // _SAMPLE)][:_SAMPLE]
    with run.encoder.cut_at(run.options.max_length):
        model.encode(sample[:2], **settings)  # the first call is slower
        started = time.monotonic()
        model.encode(sample, batch_size=_SAMPLE, **settings)
        return (time.monotonic() - started) / len(sample)


def _distill_texts(row: Row, options: DistillOptions) -> tuple[int, int]:
    both = row.query.keys() & row.document.keys()
    count = len(both)
    if options.pairs_languages:  # English is encoded anew beside each other language
        count = 2 * (count - 1) if "en" in both else 0
    return count, count


def _jsd_nce_texts(row: Row, options: Any) -> tuple[int, int]:
    triplets = len(row.document) - 1 if "en" in row.query and "en" in row.document else 0
    return triplets, 2 * triplets


_TEXTS: dict[str, Callable[[Row, Any], tuple[int, int]]] = {"distill": _distill_texts, "jsd-nce": _jsd_nce_texts}
"""Trained method -> a function that counts the queries and documents of a row that an epoch encodes."""
