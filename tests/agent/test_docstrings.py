"""Docstrings taken apart."""

from agentsvc.agent.docstrings import read


def test_nothing_comes_of_nothing():
    assert read(None) == ("", {})
    assert read("  \n ") == ("", {})


def test_a_google_docstring_gives_description_and_parameters():
    docstring = read(
        """Look up the weather.

        Only for today. The unit is up to the caller.

        Args:
            city: Name of the city,
                in any language.
            unit (Literal["c", "f"], optional): Which unit: one of two.
            **rest: ignored

        Returns:
            The weather: as text.
        """
    )

    assert docstring.description == "Look up the weather.\n\nOnly for today. The unit is up to the caller."
    assert docstring.parameters == {
        "city": "Name of the city, in any language.",
        "unit": "Which unit: one of two.",
        "rest": "ignored",
    }


def test_a_rest_docstring_gives_description_and_parameters():
    docstring = read(
        """Look up the weather.

        :param city: Name of the city,
            in any language.
        :param str unit: Which unit.
        :type city: str
        :returns: The weather.
        :raises LookupError: when there is no such city
        """
    )

    assert docstring.description == "Look up the weather."
    assert docstring.parameters == {"city": "Name of the city, in any language.", "unit": "Which unit."}


def test_what_a_model_may_use_stays_in_the_description():
    docstring = read(
        """Search.

        Args:
            query: What for.

        Example:
            search("fish")

        Note: quotes are kept.
        """
    )

    assert docstring.description == 'Search.\n\nExample:\n    search("fish")\n\nNote: quotes are kept.'
    assert docstring.parameters == {"query": "What for."}


def test_an_indented_line_with_a_colon_continues_the_entry_above_it():
    docstring = read(
        """Run.

        Args:
            mode: one of
                fast: soon
                slow: later
        """
    )

    assert docstring.parameters == {"mode": "one of fast: soon slow: later"}
