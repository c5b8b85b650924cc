"""What is asked and answered, as the OpenAPI document describes it."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, field_validator

MOST_RESULTS = 100
QUESTION_LENGTH = 2_000
TEXT_LENGTH = 20_000
MOST_TEXTS = 128
SHOWN_LENGTH = 2_000
"""Characters of a passage that a result holds."""

Text = Annotated[str, Field(min_length=1, max_length=TEXT_LENGTH, pattern=r"\S")]
Texts = Annotated[list[Text], Field(min_length=1, max_length=MOST_TEXTS)]
Balance = Literal["none", "equal", "proportional"]


class _Asked(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Column(_Asked):
    """One way to search: a model of the index, with or without shares for the languages."""

    model: str = Field(description="A model of the index.")
    balance: Balance = Field(
        "none", description="`none`: by score alone; `equal` or `proportional`: each language has its share of results."
    )


class SearchRequest(_Asked):
    """A question."""

    question: str = Field(min_length=1, max_length=QUESTION_LENGTH, pattern=r"\S")
    k: int = Field(10, ge=1, le=MOST_RESULTS, description="How many results a column has.")
    languages: list[str] | None = Field(None, max_length=200, description="Only passages in these languages.")
    language: str | None = Field(None, description="Of the question; detected when it is not given.")
    columns: list[Column] | None = Field(
        None, min_length=1, max_length=2, description="Ways to search; not given: the server's first."
    )
    twins: bool = Field(False, description="Whether to tell each result's translations and their ranks.")


class Twin(BaseModel):
    """A translation of a result."""

    id: str
    language: str
    rank: int | None = Field(description="In this column; null where the filter leaves it out.")


class Result(BaseModel):
    """A passage that was found."""

    rank: int
    score: float = Field(description="The cosine between question and passage.")
    id: str
    document_id: str
    content_id: str | None = Field(description="Shared by the translations of one content.")
    language: str
    title: str
    text: str
    cut: int = Field(description="How many characters of the text are left out here.")
    source: str
    other_rank: int | None = Field(description="Its exact rank in the other column; null with one column.")
    twins: list[Twin]


class FoundColumn(Column):
    """What one way to search found."""

    results: list[Result]
    mix: dict[str, float] = Field(description="Language -> its share of the results.")


class SearchResponse(BaseModel):
    """What was found."""

    language: str | None = Field(description="Of the question; null where none could be told.")
    columns: list[FoundColumn]
    corpus: dict[str, float] = Field(description="Language -> its share of the passages searched.")


class EmbeddingRequest(BaseModel):
    """Texts to encode, as OpenAI's API takes them, and what a retrieval model must know besides."""

    input: Annotated[
        Annotated[Text, Tag("one")] | Annotated[Texts, Tag("several")],
        Discriminator(lambda value: "several" if isinstance(value, list) else "one"),  # so that one reason is told
    ] = Field(description="A text or several; token arrays are not taken.")
    model: str
    encoding_format: Literal["float", "base64"] = Field("float", description="base64: little-endian float32.")
    dimensions: int | None = Field(None, description="The model's own number; vectors are not shortened.")
    user: str | None = None
    input_type: Literal["query", "document"] = Field(
        "document", description="Which prompt of the model stands before the texts (not in OpenAI's API)."
    )
    language: str | None = Field(
        None, description="Of the texts, for models that heed it; detected when not given (not in OpenAI's API)."
    )

    @field_validator("input", mode="before")
    @classmethod
    def _no_tokens(cls, value: Any) -> Any:
        if isinstance(value, list) and any(isinstance(text, int | list) for text in value):
            raise ValueError("token arrays are not taken, since each model has its own tokens; send the text")
        return value


class Embedding(BaseModel):
    """The vector of one text."""

    object: Literal["embedding"] = "embedding"
    index: int
    embedding: list[float] | str


class Usage(BaseModel):
    """Tokens that were encoded, prompts included."""

    prompt_tokens: int
    total_tokens: int


class EmbeddingResponse(BaseModel):
    """Vectors of unit length, in the order of the texts."""

    object: Literal["list"] = "list"
    data: list[Embedding]
    model: str
    usage: Usage


class Language(BaseModel):
    """A language of the index."""

    language: str
    name: str
    passages: int


class Languages(BaseModel):
    """The languages of the index, the largest first."""

    languages: list[Language]


class Model(BaseModel):
    """A model of the index, as OpenAI's API lists it."""

    id: str
    object: Literal["model"] = "model"
    created: int = 0
    owned_by: str = "isoglot"


class Models(BaseModel):
    """The models of the index."""

    object: Literal["list"] = "list"
    data: list[Model]


class Example(BaseModel):
    """A question to begin with."""

    language: str
    text: str


class Description(BaseModel):
    """What the page must know of the index before a question is asked."""

    name: str
    passages: int
    version: int
    models: list[str]
    columns: list[Column] = Field(description="The two columns that the page begins with.")
    examples: list[Example]


class State(BaseModel):
    """Whether the server can answer."""

    status: str


class ErrorBody(BaseModel):
    """What is wrong."""

    message: str
    type: str
    param: str | None = None
    code: str | None = None


class Error(BaseModel):
    """Every error of the API has this form, which is OpenAI's."""

    error: ErrorBody
