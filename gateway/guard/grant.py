"""What a token grants, in the words of the token.

Owns the shape: the claim `gateway` of a token, and the body of `POST /v1/tokens`. It must not know keys or HTTP.
**Invariant: what is not understood is refused: a restriction with a typing mistake never becomes no restriction.**
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StringConstraints, ValidationError

from gateway.errors import BadRequest, TokenInvalid
from gateway.guard.claims import Claims
from gateway.mistakes import mistakes

SUBJECT_MAX_CHARS = 128
FPS_MAX = 30.0  # as the setting allows

Name = Annotated[str, StringConstraints(min_length=1, max_length=SUBJECT_MAX_CHARS)]
Seconds = Annotated[float, Field(allow_inf_nan=False)]


class Grant(BaseModel):
    """The rights; what is not named is as the settings have it. They narrow the settings and never widen them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    session_max_s: Seconds | None = Field(None, gt=0)
    reattach_s: Seconds | None = Field(None, ge=0)
    video: StrictBool = True
    video_fps_max: Seconds | None = Field(None, gt=0, le=FPS_MAX)
    tools: tuple[Name, ...] | None = None
    profile: Name | None = None
    token_budget: int | None = Field(None, gt=0)
    frame_budget: int | None = Field(None, ge=0)
    origins: tuple[Name, ...] = ()

    def claims(self, subject: str, token_id: str, expires_at: float, *, single_use: bool) -> Claims:
        """These rights as claims of somebody."""
        rights = self.model_dump(include=set(Grant.model_fields), exclude={"tools"})
        tools = None if self.tools is None else frozenset(self.tools)
        return Claims(
            subject=subject, token_id=token_id, single_use=single_use, expires_at=expires_at, tools=tools, **rights
        )


class TokenRequest(Grant):
    """A token that is wanted."""

    subject: Name | None = None  # one that is given to nobody else, where none is named
    expires_in_s: Seconds = Field(600.0, gt=0)  # to open the page and press Start
    reusable: StrictBool = False  # False: it starts one session


def parse_grant(claim: Any) -> Grant:
    """The claim `gateway` of a token; raises TokenInvalid."""
    try:
        return Grant.model_validate(claim)
    except ValidationError as error:
        raise TokenInvalid(f"The claim gateway of the token has a mistake: {mistakes(error)}.") from None


def parse_request(body: Mapping[str, Any]) -> TokenRequest:
    """The body of a request for a token; raises BadRequest."""
    try:
        return TokenRequest.model_validate(body)
    except ValidationError as error:
        raise BadRequest(f"The token cannot be made: {mistakes(error)}.") from None
