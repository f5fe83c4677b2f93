"""Work that goes on after the request: what the client knows of it."""

from dataclasses import dataclass, field

from futago.errors import UnexpectedAnswer
from futago.wire import JsonObject


@dataclass(frozen=True, slots=True)
class Job:
    """One look at a job; ask `Client.job` for a newer one.

    Parameters
    ----------
    state
        `queued`, `running`, `succeeded`, `failed` or `cancelled`.
    fraction
        Part done, from 0 to 1.
    message
        What it is doing now, in words.
    result
        What it made, once it has succeeded.
    error
        Why it has no result, once it has failed.
    raw
        The whole answer of the server.
    """

    id: str
    kind: str
    state: str
    fraction: float = 0.0
    message: str = ""
    attempt: int = 0
    result: JsonObject = field(default_factory=dict)
    error: JsonObject = field(default_factory=dict)
    raw: JsonObject = field(default_factory=dict, repr=False)

    @property
    def ended(self) -> bool:
        """Whether it will not change any more."""
        return self.state in {"succeeded", "failed", "cancelled"}

    @property
    def error_message(self) -> str:
        """Why it has no result, in words."""
        return str(self.error.get("message") or self.error.get("detail") or self.error.get("code") or "")

    @classmethod
    def of(cls, answer: JsonObject) -> "Job":
        """Read a job as the API shows it.

        Raises
        ------
        UnexpectedAnswer
            If it lacks an id or a state.
        """
        if not isinstance(answer.get("id"), str) or not isinstance(answer.get("state"), str):
            raise UnexpectedAnswer("the server's answer is not a job")
        progress = answer.get("progress")
        shown = progress if isinstance(progress, dict) else {"fraction": progress}
        return cls(
            id=answer["id"],
            kind=str(answer.get("kind", "")),
            state=answer["state"],
            # The last word of a job that succeeded was said before its result was written down.
            fraction=1.0 if answer["state"] == "succeeded" else float(shown.get("fraction") or 0.0),
            message=str(shown.get("message") or ""),
            attempt=int(answer.get("attempt") or 0),
            result=_object(answer.get("result")),
            error=_object(answer.get("error")),
            raw=answer,
        )


def _object(value: object) -> JsonObject:
    if isinstance(value, dict):
        return value
    return {} if value is None else {"message": str(value)}
