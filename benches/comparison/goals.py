"""What the project set itself, as ratios of medians of one run."""

from record import figure, markdown


def row(goal, value, target, at_least=True, digits=2, unit=""):
    """One line of a table of goals; a value of None was not measured."""
    if value is None:
        met = "not measured"
    else:
        met = "yes" if (value >= target if at_least else value <= target) else "**no**"
    bound = ("at least " if at_least else "at most ") + f"{target:g}{unit}"
    return [goal, bound, figure(value, digits) + (unit if value is not None else ""), met]


def show(rows):
    """The table of goals."""
    return markdown(["goal", "target", "value", "met"], rows)


def ratio(above, below):
    """None where one of the two was not measured."""
    return above / below if above is not None and below else None


def table(record):
    """The goals that the table can show; growth and overload have theirs."""
    def rate(name):
        return record.median(name, "rate")

    def p50(name):
        return record.median(name, "p50")

    put, put_sqlite = rate("put/postgresql/64"), rate("put/sqlite/64")
    single, select = rate("single_statement/pgbench/32"), rate("select/pgbench/64")
    naive = [found for found in map(rate, ("naive_transaction/pgbench/32", "naive_transaction/pgbench/64")) if found]
    alone = [p50("single_statement/pgbench/1"), p50("refused/none/1")]
    memory = [found for kind in ("put", "get") for system in ("postgresql", "sqlite")
              if (found := record.median(f"{kind}/{system}/256", "memory"))]
    return show([
        row("PUT on PostgreSQL, 64 connections : pgbench's best single statement, 32 clients", ratio(put, single), 1.8),
        row("the same at 256 connections", ratio(rate("put/postgresql/256"), single), 2.3),
        row("PUT on PostgreSQL, 64 connections : pgbench's naive transaction, the better of 32 and 64 clients",
            ratio(put, max(naive, default=None)), 4),
        row("PUT on SQLite : PUT on PostgreSQL, 64 connections", ratio(put_sqlite, put), 1.1),
        row("PUT on SQLite, 64 connections, p99 : p50", ratio(record.median("put/sqlite/64", "p99"), p50("put/sqlite/64")), 3,
            at_least=False),
        row("GET on PostgreSQL, 64 connections : pgbench select, 64 clients", ratio(rate("get/postgresql/64"), select), 1),
        row("GET on SQLite, 64 connections : pgbench select, 64 clients", ratio(rate("get/sqlite/64"), select), 1.1),
        row("PUT on PostgreSQL, 1 connection, p50 : pgbench's single statement at 1 client + PUT up to the 422 at 1 connection",
            ratio(p50("put/postgresql/1"), sum(alone) if None not in alone else None), 1.5, at_least=False),
        row("resident memory at 256 connections", max(memory, default=None), 64, at_least=False, digits=0, unit=" MiB"),
    ])
