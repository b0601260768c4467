"""The steps from an empty gateway database to the present schema."""
