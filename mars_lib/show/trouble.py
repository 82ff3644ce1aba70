"""Expected errors, shown without stopping "Run All"."""

from collections.abc import Callable

from mars_lib.check import InputError


def expect_error(action: Callable[[], object]) -> None:
    """Call `action`, and print the `InputError` that it should raise.

    Raises:
        AssertionError: if it raises none.
    """
    try:
        action()
    except InputError as error:
        print(f"InputError  {error}")
        return
    raise AssertionError("this was expected to fail, and did not")
