"""The API of the web console for programs, under `/api/v1`: JSON, bearer tokens, described by OpenAPI."""
