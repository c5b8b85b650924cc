"""``--method auto``: the cheap methods, then trained ones while the budget lasts, and the best that loses nothing.

Which methods, in which order, how the time is estimated and what is preferred is isoglot's own.
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

from isoglot.alignment.execute import holds_something_else, kept, start
from isoglot.alignment.guard import LossyError
from isoglot.alignment.record import read_record, verdict_of, write_record
from isoglot.alignment.registry import METHODS, Method
from isoglot.alignment.request import Request, Run, digest, prepare
from isoglot.encoders.prompts import ROLES
from isoglot.platform.errors import IsoglotError
from isoglot.platform.files import new_folder
from isoglot.training_data.row import Row

log = logging.getLogger(__name__)

TRIED = ("center", "soft-center", "lir", "leace", "distill", "jsd-nce")

GAIN = "multi complete@10"
TAG_FREE_WITHIN = 1.0
"""How many points of `GAIN` a method that needs no language tag may be behind one that does, and still be preferred."""

PASSES = 3
"""What a training step costs a text, in forward passes: one forward and a backward, which takes about two."""

_SAMPLE = 16


def align_auto(
    request: Request, options: Mapping[str, Any], output: Path, *, seed: int, budget: float, no_tag: bool
) -> Path:
    """Try methods, each as an ordinary alignment in a folder beside `output`, and keep the best as `output`.

    An interrupted choice goes on with the methods that are not finished.

    Args:
        request: What all runs share.
        options: For those methods that have them.
        output: The folder to write.
        seed: Of every training.
        budget: Minutes; the methods that are not trained are tried in any case.
        no_tag: Whether methods that need each text's language are left out.

    Raises:
        LossyError: The guard failed all; the one that lost least is kept.
        IsoglotError: An option that no method has, no development split of several languages, or no method worked.
    """
    if not 0 <= budget < math.inf:
        raise IsoglotError(f"the budget is {budget} minutes; it must be 0 or more and finite")
    deadline = time.monotonic() + 60 * budget
    methods = [METHODS[name] for name in TRIED if not (no_tag and METHODS[name].needs_language)]
    given = {method.name: _own_options(method, options) for method in methods}
    unknown = sorted(set(options).difference(*given.values()))
    if unknown:
        raise IsoglotError(f"none of {', '.join(given)} has an option {unknown[0]!r}")
    run = prepare(request, methods[0], given[methods[0].name], output, seed=seed)
    if run.development is None or len(run.development.languages) < 2:
        raise IsoglotError("auto needs a development split of several languages; name a collection with --dev")
    recipe = {
        **{name: run.recipe[name] for name in ("isoglot", "base", "data", "development", "seed")},
        **{"options": dict(options), "budget": budget, "no_tag": no_tag, "max_loss": request.max_loss},
    }
    if not request.force and _made_before(run, recipe):
        return output
    working = output.with_name(f".{output.name}.auto-{digest(recipe)}")
    tried = []
    for method in methods:
        run = prepare(replace(request, force=False), method, given[method.name], working / method.name, seed=seed)
        tried.append(_try(run, deadline - time.monotonic()))
    chosen, why = choose(tried)
    record = read_record(working / chosen["folder"]) or {}
    auto = {"recipe": recipe, "budget": budget, "base": record["measures"]["base"]["mean"], "tried": tried, "why": why}
    place = output if chosen["verdict"]["passed"] else output.with_name(f"{output.name}.lossy")
    with new_folder(place, replace=request.force or place != output) as folder:
        shutil.copytree(working / chosen["folder"], folder, dirs_exist_ok=True)
        write_record(folder, {**record, "auto": auto})
    shutil.rmtree(working, ignore_errors=True)
    if place != output:
        raise _lossy_error(place, {**record, "auto": auto})
    return output


def choose(tried: Sequence[Mapping[str, Any]]) -> tuple[Mapping[str, Any], str]:
    """The best of what was tried, and why: the highest `GAIN` of those that the guard passed.

    One that needs no language tag is preferred up to `TAG_FREE_WITHIN` points behind; if none passed, it is the one
    that lost least.

    Raises:
        IsoglotError: None could be audited.
    """
    done = [entry for entry in tried if entry["verdict"]]
    if not done:
        raise IsoglotError("auto: " + "; ".join(f"{entry['method']}: {entry['left_out']}" for entry in tried))
    passed = [entry for entry in done if entry["verdict"]["passed"]]
    if not passed:
        return max(done, key=lambda entry: float(entry["verdict"]["mean"])), "it lost least; the guard passed none"
    best = max(passed, key=_gain)
    free = max((entry for entry in passed if not entry["needs_language"]), key=_gain, default=best)
    if free is not best and _gain(free) >= _gain(best) - TAG_FREE_WITHIN:
        return free, f"within {TAG_FREE_WITHIN:g} point of {best['method']} in {GAIN}, and it needs no language tag"
    return best, f"the highest {GAIN} of those that the guard passed"


def _gain(entry: Mapping[str, Any]) -> float:
    return float(entry["measures"][GAIN])


def _own_options(method: Method, options: Mapping[str, Any]) -> dict[str, Any]:
    names = method.option_names
    return {name: value for name, value in options.items() if name in names}


def _made_before(run: Run, recipe: Mapping[str, Any]) -> bool:
    """Whether the output was chosen by the same recipe.

    Raises:
        LossyError: The guard failed all by the same recipe.
        IsoglotError: The output holds something else.
    """
    lossy = read_record(run.lossy) or {}
    if not run.target.exists():
        if lossy.get("auto", {}).get("recipe") == recipe:
            raise _lossy_error(run.lossy, lossy)
        return False
    if (read_record(run.target) or {}).get("auto", {}).get("recipe") != recipe:
        raise holds_something_else(run.target)
    return True


def _lossy_error(folder: Path, record: Mapping[str, Any]) -> LossyError:
    verdict = verdict_of(record, record["verdict"]["max_loss"])
    return LossyError(
        f"every method lost more than the {verdict.max_loss:g} allowed, {record['method']} least ({verdict}); it is "
        f"kept as {folder}; try more data, --lora 16, a lower --learning-rate or a higher --max-loss",
        folder,
        verdict,
    )


def _try(run: Run, seconds_left: float) -> dict[str, Any]:
    """Run one method if the time is enough; an error leaves it out."""
    entry: dict[str, Any] = {
        "method": run.method.name,
        "needs_language": run.method.needs_language,
        "folder": run.target.name,
        "measures": {},
        "verdict": None,
        "seconds": None,
        "left_out": "",
    }
    started = time.monotonic()
    try:
        if run.method.trained and kept(run) is None and (needed := seconds_needed(run)) > seconds_left:
            left = max(0.0, seconds_left)
            entry["left_out"] = f"left out: would take about {needed:.0f} s of the {left:.0f} s left"
            log.info("auto: %s %s", run.method.name, entry["left_out"])
            return entry
        folder = start(run)
    except LossyError as error:
        folder = error.folder
    except IsoglotError as error:
        log.warning("auto: %s", error)
        return {**entry, "left_out": str(error)}
    record = read_record(folder) or {}
    return {
        **entry,
        "folder": folder.name,
        "measures": record["measures"]["aligned"]["mean"],
        "verdict": record["verdict"],
        "seconds": round(time.monotonic() - started, 1),
    }


def seconds_needed(run: Run) -> float:
    """About how long a trained method takes on this machine, its audits included, from a timed sample of its texts."""
    texts = _TEXTS[run.method.name]
    queries, documents = (sum(column) for column in zip(*(texts(row, run.settings) for row in run.rows), strict=True))
    query, document = (_seconds_per_text(run, role) for role in ROLES)
    training = PASSES * run.settings.epochs * (queries * query + documents * document)
    judged = run.recipe["development"]
    audit = judged["queries"] * query + judged["documents"] * document
    return float(training + math.ceil(run.settings.epochs) * audit)


def _seconds_per_text(run: Run, role: str) -> float:
    """Of one forward pass at the length that training cuts texts to."""
    model, prompt = run.encoder.model, run.encoder.prompts[role].text
    texts = [text for row in run.rows for text in (row.query if role == "query" else row.document).values()]
    sample = texts[:: max(1, len(texts) // _SAMPLE)][:_SAMPLE]
    with run.encoder.cut_at(run.settings.max_length):
        model.encode(sample[:2], prompt=prompt, show_progress_bar=False)  # the first call is slower
        started = time.monotonic()
        model.encode(sample, prompt=prompt, batch_size=_SAMPLE, show_progress_bar=False)
        return (time.monotonic() - started) / len(sample)


def _distill_texts(row: Row, options: Any) -> tuple[int, int]:
    both = row.query.keys() & row.document.keys()
    count = len(both)
    if options.pairs_languages:  # each other language beside English anew
        count = 2 * (count - 1) if "en" in both else 0
    return count, count


def _jsd_nce_texts(row: Row, options: Any) -> tuple[int, int]:
    triplets = len(row.document) - 1 if "en" in row.query and "en" in row.document else 0
    return triplets, 2 * triplets


_TEXTS: dict[str, Callable[[Row, Any], tuple[int, int]]] = {"distill": _distill_texts, "jsd-nce": _jsd_nce_texts}
"""Trained method -> the queries and documents that an epoch sees of a row."""
