"""Modules of models: those that read texts, the transformers, and the head, which sees vectors only.

Vectors before the head are kept between runs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from isoglot.platform.errors import IsoglotError

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Dense
    from torch import Tensor
    from torch.nn import Module

VECTOR = "sentence_embedding"
"""The feature in which sentence-transformers' modules hand on a text's vector."""


def input_modules(model: SentenceTransformer) -> list[Any]:
    """Return the modules that texts go into: one for each route of a Router, else the model's first."""
    from sentence_transformers.base.modules import Router

    first = model[0]
    return [route[0] for route in first.sub_modules.values()] if isinstance(first, Router) else [first]


def input_module(model: SentenceTransformer, task: str | None) -> Any:
    """Return the module that texts of a task go into; None if the model has no route for the task.

    Args:
        model: The model.
        task: ``query``, ``document``, or another name of a task; None: none was named.
    """
    from sentence_transformers.base.modules import Router

    first = model[0]
    if not isinstance(first, Router):
        return first
    try:
        route = first._resolve_route_name(task=task, modality="text") or first.default_route
    except ValueError:  # the model has no route for this task
        route = None
    return None if route is None else first.sub_modules[route][0]


def check_routes(model: SentenceTransformer, name: str) -> None:
    """Refuse an asymmetric model (Router) whose queries and documents get vectors that cannot be compared.

    Args:
        model: The model.
        name: Its name in the error.

    Raises:
        IsoglotError: Its routes give vectors of different dimensions.
    """
    from sentence_transformers.base.modules import Router

    for router in model:
        if not isinstance(router, Router):
            continue
        sizes = {
            route: next(part.get_embedding_dimension() for part in reversed(parts) if _has_dimension(part))
            for route, parts in router.sub_modules.items()
            if any(map(_has_dimension, parts))
        }
        if len(set(sizes.values())) > 1:
            said = ", ".join(f"{route}: {size}" for route, size in sizes.items())
            raise IsoglotError(
                f"{name}: its routes give vectors of different dimensions ({said}); none can be compared"
            )


def position_limit(module: Any) -> int | None:
    """Return how many tokens a module has positions for, if it counts them from behind its padding, as RoBERTa does.

    Libraries take the number of all positions for the limit, so that a longer text is an index out of bounds.
    """
    from torch.nn import Embedding

    for part in module.modules():
        table = getattr(part, "position_embeddings", None)
        if isinstance(table, Embedding) and table.padding_idx is not None:
            return table.num_embeddings - table.padding_idx - 1
    return None


def transformers_of(model: SentenceTransformer) -> list[Any]:
    """Return the model's transformers; an asymmetric model (Router) may have one for each route."""
    from sentence_transformers.base.modules import Transformer

    found = [module.model for module in model.modules() if isinstance(module, Transformer)]
    first = model.transformers_model  # that of a module which is not sentence-transformers' own
    return found or ([] if first is None else [first])


def head_start(modules: Sequence[Module]) -> int:
    """Return where the head begins: the first place from which on all modules see unit vectors only.

    That is after a Normalize, or at a module of isoglot's that scales vectors itself. Models to which a training-free
    method added modules share the vectors before the head with their base.
    """
    return next(
        (
            start
            for start in range(1, len(modules))
            if (is_normalize(modules[start - 1]) or _is_of_language(modules[start]))
            and all(map(_sees_vectors_only, modules[start:]))
        ),
        len(modules),
    )


def is_normalize(module: Module) -> bool:
    """Return whether a module scales the vectors of texts to unit length, and does nothing else."""
    from sentence_transformers.sentence_transformer.modules import Normalize

    return isinstance(module, Normalize) and _is_of_vectors(module)


def gives_unit_vectors(module: Module) -> bool:
    """Return whether a model that ends in `module` gives vectors of unit length."""
    return is_normalize(module) or _is_of_language(module)


def _has_dimension(module: Module) -> bool:
    return hasattr(module, "get_embedding_dimension")


def affine(weight: Tensor, bias: Tensor | None = None) -> Dense:
    """Make the module z -> W z + b of sentence-transformers' own.

    Args:
        weight: W, (k, d), which is kept in float32.
        bias: b, (k,); None: there is none.
    """
    import torch
    from sentence_transformers.sentence_transformer.modules import Dense

    kept, dimension = weight.shape
    return Dense(
        dimension,
        kept,
        bias=bias is not None,
        activation_function=torch.nn.Identity(),
        init_weight=weight.float().contiguous(),
        init_bias=None if bias is None else bias.float(),
    )


def truncation(dimension: int, kept: int) -> Dense:
    """Make the module that keeps the first `kept` of a vector's components."""
    import torch

    return affine(torch.eye(kept, dimension)).requires_grad_(False)


def _is_of_language(module: Module) -> bool:
    from isoglot.encoders.language_modules import InferredCentering, LanguageModule

    return isinstance(module, LanguageModule | InferredCentering)


def _sees_vectors_only(module: Module) -> bool:
    from sentence_transformers.sentence_transformer.modules import Dense

    return gives_unit_vectors(module) or (isinstance(module, Dense) and _is_of_vectors(module))


def _is_of_vectors(module: Module) -> bool:
    return module.module_input_name == module.module_output_name == VECTOR
