"""What AWS answers, as data: is the local account equal?

``AREA/SET.json`` holds the cases of one set, ``AREA/test_*.py`` asks the account each of them. A file is an
object with ``title`` (its area), ``source`` (where the answers of its cases come from, unless a case says
otherwise) and ``cases``:

- ``id``: unique in the file; short words joined by hyphens;
- ``input``: what is asked, in the form that the test of the set describes;
- ``expected``: what AWS answers, ``{"error": "…"}`` if it refuses;
- ``source``: the page, recording or program that says so;
- ``account``: ``equal`` (the default), ``different`` (on purpose: ``here`` is what the account answers) or
  ``refuses`` (the account lacks it, and says so: ``here`` is part of its error). Both need a ``why``.

``python -m tests.conformance`` prints how many cases each area has, by ``account``; ``counts`` returns it.
"""
