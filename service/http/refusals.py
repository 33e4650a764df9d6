"""What the HTTP edge itself refuses, before anything below is asked."""

from __future__ import annotations

from retrieval.errors import FootnoteError


class ChangedMeanwhileError(FootnoteError):
    """What a caller wants to change is no longer what they have seen."""


class SameKeyOtherRequestError(FootnoteError):
    """An Idempotency-Key came with another request than before."""


class StillAtWorkError(FootnoteError):
    """A request with the same Idempotency-Key is still at work."""

    retryable = True


class FormBrokenError(FootnoteError):
    """The body is not the form that it should be."""


class FormTooLargeError(FootnoteError):
    """A form, or a part of it, is larger than what is accepted."""


class NotAFormError(FootnoteError):
    """A body was not sent as a form."""


class SlowSenderError(FootnoteError):
    """Nothing of a body came for too long."""


class KeyMissingError(FootnoteError):
    """A request came without a key."""


class KeyRefusedError(FootnoteError):
    """A request came with a key that is not in force."""


class RoleLackingError(FootnoteError):
    """A caller is known, but their role does not allow what they ask for."""


class LinkRefusedError(FootnoteError):
    """The secret of a one-time link is wrong, was used, or came too late or from elsewhere."""


class CrossOriginError(FootnoteError):
    """A request with a session's cookie does not come from a page of the service's own."""
