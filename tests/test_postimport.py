"""A function that is called once a module has been imported."""

from __future__ import annotations

import importlib.util
import sys

import pytest
from conftest import write


def test_a_module_that_fails_to_import_raises_as_without_us_and_may_be_tried_again(tmp_path) -> None:
    from gpucheck.fixes import postimport

    write(tmp_path / "broken_module_x.py", "raise RuntimeError('its own')")
    called = []
    sys.path.insert(0, str(tmp_path))
    try:
        postimport.call_after("broken_module_x", called.append)
        with pytest.raises(RuntimeError, match="its own"):
            __import__("broken_module_x")
        postimport.call_after("no_such_module_x", called.append)
        with pytest.raises(ModuleNotFoundError, match="no_such_module_x"):
            __import__("no_such_module_x")
        assert called == []
        write(tmp_path / "broken_module_x.py", "good = True")
        assert importlib.util.find_spec("broken_module_x") is not None  # as libraries look for a framework
        assert called == []
        assert __import__("broken_module_x").good
        assert [module.__name__ for module in called] == ["broken_module_x"]
        assert not postimport.expected("broken_module_x")
    finally:
        sys.path.remove(str(tmp_path))
        sys.modules.pop("broken_module_x", None)
        sys.meta_path[:] = [one for one in sys.meta_path if not type(one).__module__.startswith("gpucheck")]
