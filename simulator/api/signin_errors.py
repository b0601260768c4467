"""Refusals of the sign-in service."""


class SignInError(Exception):
    """Sign-in refused: an AADSTS code, the OAuth error word, and the HTTP status."""

    def __init__(self, code: int, text: str, *, error: str = "invalid_client", status: int = 401) -> None:
        super().__init__(f"AADSTS{code}: {text}")
        self.code = code
        self.text = text
        self.error = error
        self.status = status
