"""The API's requests and responses, as the OpenAPI document describes them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, field_validator, model_validator

from isoglot.platform.errors import IsoglotError
from isoglot.platform.languages import MAX_TAG_LENGTH

MAX_RESULTS = 100
MAX_QUESTION_LENGTH = 2_000
MAX_TEXT_LENGTH = 20_000
MAX_TEXTS = 2_048
"""How many texts a request for embeddings may hold, as in OpenAI's API."""
MAX_FIELDS = 100
MAX_NAME_LENGTH = 4_096
"""How many characters a model's name may have, which may be a path."""
SHOWN_LENGTH = 2_000
"""How many characters of a passage a result holds."""

TAGS = ("one text", "several texts")
"""What tells the kinds of an embeddings request's input apart; a part of the places that errors name."""

Text = Annotated[str, Field(min_length=1, max_length=MAX_TEXT_LENGTH, pattern=r"\S")]
Texts = Annotated[list[Text], Field(min_length=1, max_length=MAX_TEXTS)]
LanguageTag = Annotated[str, Field(max_length=MAX_TAG_LENGTH)]
ModelName = Annotated[str, Field(max_length=MAX_NAME_LENGTH)]
Balance = Literal["none", "equal", "proportional", "scaled"]
"""`isoglot.ranking.balance.BALANCES`, written out for type checkers."""


def _nullable(schema: dict[str, Any]) -> None:
    """Say in a field's schema that null may stand for its default."""
    value = {key: schema.pop(key) for key in ("type", "enum", "minimum", "maximum") if key in schema}
    schema["anyOf"] = [value, {"type": "null"}]


class _Request(BaseModel):
    """The body of a request; null in a field with a default counts as not given."""

    model_config = ConfigDict(extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _leave_out_nulls(cls, sent: Any) -> Any:
        if not isinstance(sent, dict):
            return sent
        if len(sent) > MAX_FIELDS:  # each would be an error of its own, and 300,000 of them take seconds
            raise ValueError(f"an object has at most {MAX_FIELDS} fields")
        fields = cls.model_fields
        optional = {name for name in fields if not fields[name].is_required()}
        return {name: value for name, value in sent.items() if value is not None or name not in optional}


class Column(_Request):
    """One way to search: a model of the index, and how languages share the results."""

    model: ModelName = Field(description="A model of the index.")
    balance: Balance = Field(
        "none",
        json_schema_extra=_nullable,
        description="`none`: by score; `equal`: languages take turns; `proportional`: each language gets its share of "
        "the corpus; `scaled`: by score minus the usual score of the passage's language.",
    )


class SearchRequest(_Request):
    """A question."""

    question: str = Field(
        min_length=1, max_length=MAX_QUESTION_LENGTH, pattern=r"\S", description="Question, in any language."
    )
    k: int = Field(10, ge=1, le=MAX_RESULTS, description="Number of results in a column.", json_schema_extra=_nullable)
    languages: list[LanguageTag] | None = Field(
        None, max_length=200, description="Languages of the passages to search; all by default."
    )
    language: LanguageTag | None = Field(
        None,
        description="Language of the question; by default detected, or the largest of the index where none can be "
        "detected.",
    )
    columns: list[Column] | None = Field(
        None, min_length=1, max_length=2, description="One or two ways to search; by default the server's first."
    )
    twins: bool = Field(
        False,
        description="Whether to return each result's translations and their ranks.",
        json_schema_extra=_nullable,
    )


class Twin(BaseModel):
    """A translation of a result."""

    id: str = Field(description="Id of the passage.")
    language: str = Field(description="Language of the passage.")
    rank: int | None = Field(description="Rank in this column; null if the filter excludes it.")


class Result(BaseModel):
    """A passage that the search returned."""

    rank: int = Field(description="Rank in this column, from 1.")
    score: float = Field(description="Cosine of question and passage.")
    scaled: float | None = Field(
        description="Cosine minus the usual score of the passage's language, by which `scaled` orders; null with other "
        "balances."
    )
    id: str = Field(description="Id of the passage.")
    document_id: str = Field(description="Id of its document.")
    content_id: str | None = Field(description="Id that the document shares with its translations.")
    language: str = Field(description="Language of the passage.")
    title: str = Field(description="Title of the document.")
    text: str = Field(description=f"Text of the passage, at most {SHOWN_LENGTH} characters.")
    cut: int = Field(description="Number of characters of the text that are left out here.")
    source: str = Field(description="URL or path of the document.")
    other_rank: int | None = Field(description="Exact rank in the other column; null with one column.")
    twins: list[Twin] = Field(description="Its translations, if they were asked for.")


class FoundColumn(Column):
    """The results of one way to search."""

    results: list[Result] = Field(description="The results, best first.")
    mix: dict[str, float] = Field(description="Language -> its share of the results.")


class SearchResponse(BaseModel):
    """The results of a search."""

    language: str | None = Field(description="Language of the question; null if none was given or detected.")
    columns: list[FoundColumn] = Field(description="The results of each column.")
    corpus: dict[str, float] = Field(description="Language -> its share of the passages searched.")


class EmbeddingRequest(_Request):
    """Texts to encode, as in OpenAI's API, with their prompt and language."""

    model_config = ConfigDict(extra="ignore")

    input: Annotated[
        Annotated[Text, Tag(TAGS[0])] | Annotated[Texts, Tag(TAGS[1])],
        # A discriminator, so that an error has one reason and not one for each member of the union.
        Discriminator(lambda value: TAGS[isinstance(value, list)]),
    ] = Field(description="One text or several; token arrays are not accepted.")
    model: ModelName = Field(
        description="A model of the index; `MODEL@query` and `MODEL@document` name the prompt too, for clients that "
        "send no `input_type`."
    )
    encoding_format: Literal["float", "base64"] = Field(
        "float", description="base64: little-endian float32.", json_schema_extra=_nullable
    )
    dimensions: int | None = Field(None, description="The model's own number; vectors cannot be shortened.")
    user: str | None = Field(None, description="Ignored.")
    input_type: Literal["query", "document"] | None = Field(
        None,
        description="Role of the texts, which decides the prompt; by default that in `model`, else `document` (not in "
        "OpenAI's API).",
    )
    language: LanguageTag | None = Field(
        None,
        description="Language of the texts, for models that use it; by default detected, or the largest of the index "
        "where none can be detected (not in OpenAI's API).",
    )

    @field_validator("input", mode="before")
    @classmethod
    def _refuse_tokens(cls, value: Any) -> Any:
        if isinstance(value, list) and value and isinstance(value[0], int | list):
            raise ValueError(
                "token arrays are not accepted, because each model has its own tokens; send texts (langchain-openai: "
                "check_embedding_ctx_length=False)"
            )
        return value


class Embedding(BaseModel):
    """The vector of one text."""

    object: Literal["embedding"] = "embedding"
    index: int = Field(description="Position of the text in the request.")
    embedding: list[float] | str = Field(description="Vector of unit length; text where base64 was asked for.")


class Usage(BaseModel):
    """Numbers of encoded tokens, including prompts."""

    prompt_tokens: int = Field(description="Number of tokens, with prompts.")
    total_tokens: int = Field(description="The same number.")


class EmbeddingResponse(BaseModel):
    """Vectors of unit length, in the order of the texts."""

    object: Literal["list"] = "list"
    data: list[Embedding] = Field(description="A vector for each text, in their order.")
    model: str = Field(description="The model, as the request names it.")
    usage: Usage


class Language(BaseModel):
    """A language of the index."""

    language: str = Field(description="Canonical tag.")
    name: str = Field(description="Name in English.")
    passages: int = Field(description="Number of passages.")


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
    """What the page shows of the index before a question is asked."""

    name: str = Field(description="Name of the index.")
    passages: int = Field(description="Number of passages.")
    version: int = Field(description="Number of the last commit.")
    models: list[str] = Field(description="Models of the index.")
    columns: list[Column] = Field(description="The two columns that the page begins with.")
    examples: list[Example] = Field(description="Questions to begin with.")


class LegendEntry(BaseModel):
    """What a colour means in a chart: a label, with a glyph or, if that is empty, a swatch of the CSS colour."""

    glyph: str
    colour: str
    label: str


class Panel(BaseModel):
    """One drawing of a chart."""

    label: str
    svg: str


class Chart(BaseModel):
    """A chart of isoglot's report, with a text that says what it shows."""

    title: str
    summary: str
    legend: list[LegendEntry]
    panels: list[Panel]


class CorpusCharts(BaseModel):
    """The charts of the Corpus page."""

    charts: list[Chart]


class BiasCharts(BaseModel):
    """The collection, verdict and charts of the audits on the Bias page; the collection is null without an audit."""

    collection: str | None
    headline: list[str]
    charts: list[Chart]


class State(BaseModel):
    """Whether the server can answer."""

    status: str


class ErrorBody(BaseModel):
    """What is wrong."""

    message: str = Field(description="What is wrong, in one line.")
    type: str = Field(description="`invalid_request_error`, or `server_error` from status 500 on.")
    param: str | None = Field(None, description="The field that is wrong.")
    code: str | None = Field(None, description="`model_not_found` where the index lacks the model.")


class Error(BaseModel):
    """An error, in the form of OpenAI's API."""

    error: ErrorBody


class FieldError(IsoglotError):
    """A field of a request whose value the index does not have.

    Args:
        message: What is wrong.
        param: The field.
        status: Status of the response.
        code: What OpenAI's API calls it.
    """

    def __init__(self, message: str, param: str, *, status: int = 422, code: str | None = None) -> None:
        super().__init__(message)
        self.param, self.status, self.code = param, status, code
