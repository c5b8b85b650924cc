"""JSON over HTTP: what fails on the way is asked again, what is wrong is said in one line."""

from __future__ import annotations

import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from isoglot.llm.client import RETRIES, masked, message_in, refusal
from isoglot.llm.service import address_of
from isoglot.platform.errors import IsoglotError
from isoglot.platform.extras import needs
from isoglot.platform.version import __version__

if TYPE_CHECKING:
    import httpx2
    from tenacity import RetryCallState

LONGEST_WAIT = 120.0
"""Seconds: a server that asks for a longer wait is not waited for."""
_PASSING = (408, 429)
"""Statuses below 500 that may be others the next time."""


class NoAnswerError(IsoglotError):
    """Nobody answers, or only with faults that may pass.

    Args:
        message: What came instead of an answer.
        reached: Whether there is a server at all.
        after: Seconds that the server asks to wait; None: it names none.
    """

    def __init__(self, message: str, *, reached: bool = True, after: float | None = None) -> None:
        super().__init__(message)
        self.reached, self.after = reached, after


class JsonApi:
    """An API that takes and gives JSON.

    429, 408, 5xx, time-outs and cut connections are asked again up to `RETRIES` times, after as long as the server's
    Retry-After says, else after 0.5 seconds and then twice as long each time, 90 seconds together. Redirects are not
    followed, since the key would go with them.

    Args:
        url: Base URL, which may hold a user and a password; messages never show it.
        address: What messages call the API.
        model: The model that is asked, for messages.
        key: The key; empty: none is sent.
        key_variable: The environment variable that the key is from, for messages.
        key_header: The header that the key is sent in; in ``Authorization`` it is a bearer token.
        timeout: Seconds that an answer may take.

    Raises:
        IsoglotError: The packages httpx2 and tenacity are missing, or the key has characters that no key has.
    """

    def __init__(
        self,
        url: str,
        *,
        address: str,
        model: str,
        key: str,
        key_variable: str,
        key_header: str = "Authorization",
        timeout: float = 120,
    ) -> None:
        with needs("asking an API", "api"):
            import httpx2
            import tenacity  # noqa: F401
        if not (key.isascii() and key.isprintable()):
            raise IsoglotError(f"the environment variable {key_variable} contains characters that no key has")
        import httpx2

        parts = urlsplit(url)  # httpx2 logs URLs, so user and password are taken out of them
        self._url = parts._replace(netloc=address_of(url)).geturl().rstrip("/")
        self._key, self._key_variable = key, key_variable
        self.address, self._model = address, model
        headers = {"User-Agent": f"isoglot/{__version__}"}
        if key:
            headers[key_header] = f"Bearer {key}" if key_header == "Authorization" else key
        auth = (unquote(parts.username), unquote(parts.password or "")) if parts.username else None
        self._client = httpx2.Client(headers=headers, auth=auth, timeout=timeout)
        self._answered = False

    def get(self, path: str, timeout: float = 10) -> Any:
        """Return the JSON at a path, asked for once.

        Raises:
            NoAnswerError: Nobody answers.
            IsoglotError: The API refuses, or answers with something that is not JSON.
        """
        return self._once("GET", path, timeout=timeout)

    def post(self, path: str, body: Mapping[str, Any], *, retries: int | None = None) -> Any:
        """Return the JSON that answers a body, asked again up to `retries` times; None: `RETRIES`.

        Raises:
            NoAnswerError: Nobody answers, or only with faults that may pass, after all retries.
            IsoglotError: The API refuses, or answers with something that is not JSON.
        """
        from tenacity import Retrying, retry_if_exception_type

        def gives_up(state: RetryCallState) -> bool:
            """Whether to stop: a wrong address is told after a second, not after many."""
            most = (RETRIES if retries is None else retries) if self._answered else 1
            return state.attempt_number > most or (_asked_wait(state) or 0) > LONGEST_WAIT

        retrying = Retrying(retry=retry_if_exception_type(NoAnswerError), stop=gives_up, wait=_wait, reraise=True)
        try:
            return retrying(self._once, "POST", path, json=body)
        except NoAnswerError as error:
            if not error.reached and not self._answered:
                raise NoAnswerError(
                    f"{self.address} cannot be reached; is the base URL right?", reached=False
                ) from None
            raise NoAnswerError(
                f"{self.address}: no answer ({error}); run again later, what was answered is kept"
            ) from None

    def _once(self, method: str, path: str, **options: Any) -> Any:
        import httpx2

        try:
            response = self._client.request(method, self._url + path, **options)
        except (httpx2.ConnectError, httpx2.ConnectTimeout):
            raise NoAnswerError("no connection", reached=False) from None
        except httpx2.TransportError as error:
            self._answered = True
            raise NoAnswerError(type(error).__name__) from None
        except httpx2.HTTPError as error:
            raise IsoglotError(f"{self.address}: gave what cannot be read ({type(error).__name__})") from None
        self._answered = True
        if response.is_success:
            try:
                return response.json()
            except ValueError:
                what = f"{self.address}: {self._model} gave something that is not JSON"
                raise IsoglotError(f"{what}; what was good before is kept") from None
        raise self._refused(response)

    def _refused(self, response: httpx2.Response) -> IsoglotError:
        """The error for a status that says no."""
        try:
            message = self.said(response.json())
        except ValueError:  # a web page
            message = ""
        status = response.status_code
        text = f"HTTP {status}: {message}" if message else f"HTTP {status}"
        if status in _PASSING or status >= 500:
            return NoAnswerError(text, after=_retry_after(response.headers))
        if status == 401 and not self._key:
            return IsoglotError(f"{self.address} wants a key, in the environment variable {self._key_variable}")
        return refusal(status, text, self.address, self._model, self._key_variable)

    def said(self, body: Any) -> str:
        """Return the message of an error in one line of at most 200 characters, with the key masked; empty: none.

        Args:
            body: The JSON of an answer.
        """
        return masked(message_in(body if isinstance(body, dict) else None), self._key)


def _asked_wait(state: RetryCallState) -> float | None:
    error = state.outcome.exception() if state.outcome else None
    return error.after if isinstance(error, NoAnswerError) else None


def _wait(state: RetryCallState) -> float:
    from tenacity import wait_exponential

    after = _asked_wait(state)
    return wait_exponential(multiplier=0.5, max=30)(state) if after is None else after


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that a server asks to wait: milliseconds, seconds, or a date (RFC 9110, section 10.2.3)."""
    try:
        for name, seconds in (("retry-after-ms", 0.001), ("retry-after", 1)):
            if headers.get(name, "")[:1].isdigit():
                return float(headers[name]) * seconds
        return max(parsedate_to_datetime(headers["retry-after"]).timestamp() - time.time(), 0)
    except (KeyError, ValueError):
        return None
