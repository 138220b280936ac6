"""One graph for as many rows as can share it, and the ledger of all that was measured."""

import itertools

import pytest

from tests.faults.benches import BENCHES
from tests.faults.ledger import Ledger


class Benches:
    """The graph that runs now; another one ends it."""

    def __init__(self, domain, out):
        self._domain, self._out = domain, out
        self._now = None
        self._numbers = itertools.count()

    def get(self, kind):
        """The graph of this kind, fit for the next fault."""
        if self._now is None or not self._now.fit(kind):
            self.close()
            out = self._out / f'{kind}_{next(self._numbers)}'
            self._now = BENCHES[kind](self._domain, out)
        return self._now

    def close(self):
        """End it."""
        bench, self._now = self._now, None
        if bench is not None:
            bench.close()


@pytest.fixture(scope='session')
def ledger(pytestconfig):
    ledger = Ledger(pytestconfig.rootpath)
    yield ledger
    ledger.close()


@pytest.fixture(scope='session')
def benches(session_domain, tmp_path_factory):
    benches = Benches(session_domain, tmp_path_factory.mktemp('faults'))
    yield benches
    benches.close()
