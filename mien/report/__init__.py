"""Expressions by group: tables of results in, one page for people out, with the same figures as CSV and Markdown.

groups (who belongs where) → faces (rows as values) → study (every figure) → page, tidy, sheets (what is shown of it)
"""
