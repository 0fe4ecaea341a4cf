"""The management routes of a cache, for web frameworks; one module for each.

All of them answer as a meshmemo server does below ``/api/cache``: the same paths, fields and
problem documents (RFC 9457). They ask nobody for a key: put them where only operators come, or
behind the access control of the application. Changes that a page of another origin sends are
refused.
"""
