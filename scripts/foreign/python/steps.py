"""What every client's program here uses: reporting steps, judging values, following books.

A step is one JSON line on standard output. A value is judged and not only received: the asked
symbol, prices near those that the simulator starts at, the better side better.
"""

import asyncio
import hashlib
import http.client
import json
import os
import queue
import ssl
import sys
import threading
import time
import traceback
import urllib.parse

STARTS = {"BTC": 64_250, "ETH": 3_120, "SOL": 148}  # What the simulator's prices start at.
STEP_S = 12  # A step that takes longer has failed.
BOOK_S = 60  # Following a book may take longer: Hyperliquid tells of one every five seconds.
FOLLOWED_S = float(os.environ.get("TICKWIRE_FOLLOWED_S", "10"))
LEVELS = 5  # Levels per side that books are compared by.
TRIES = 5  # Snapshots that are taken until one shows a moment that a stream shows, too.
# Where each exchange's REST service has the book of BTC, and where in the answer its sides are.
with open(os.path.join(os.path.dirname(__file__), "..", "books.json")) as file:
    BOOKS = json.load(file)


class Wrong(Exception):
    """A value came, and it is not what was asked for."""


class Early(Wrong):
    """The simulated exchange has just begun: nothing of the kind has happened yet."""


class NotOffered(Exception):
    """The client has no such call."""


def need(what, why):
    if not what:
        raise Wrong(why)


def traded(trades):
    """There are trades. A step that finds none yet is tried again."""
    if not trades:
        raise Early("no trades")


def say(market, step, result, why=""):
    line = {"market": market, "step": step, "result": result, "why": " ".join(str(why).split())[:400]}
    sys.stdout.write(json.dumps(line) + "\n")  # One write: steps of several markets run at once.
    sys.stdout.flush()


def failed(market, step, error):
    if isinstance(error, NotOffered):
        return say(market, step, "-", error)
    if os.environ.get("TICKWIRE_TRACE"):
        traceback.print_exception(error, file=sys.stderr)
    said = "" if isinstance(error, Wrong) else f"{type(error).__name__}: "
    if isinstance(error, (asyncio.TimeoutError, TimeoutError)):
        error = error if str(error) else "nothing in time"
    say(market, step, "FAIL", f"{said}{error}")


async def astep(market, step, call):
    """Awaits `call()` and reports it."""
    end = time.monotonic() + STEP_S
    try:
        while True:
            try:
                value = await asyncio.wait_for(call(), BOOK_S if step == "~book" else STEP_S)
                break
            except Early:
                if time.monotonic() > end:
                    raise
                await asyncio.sleep(0.5)
        say(market, step, "ok", value if isinstance(value, str) else "")
    except (Exception, asyncio.CancelledError) as error:  # Whatever a client throws is the result.
        failed(market, step, error)


def step(market, name, call):
    """Calls and reports. In a thread, for some clients wait for ever."""
    results = queue.Queue()

    end = time.monotonic() + STEP_S

    def run():
        while True:
            try:
                return results.put(call())
            except Early as error:
                if time.monotonic() > end:
                    return results.put(error)
                time.sleep(0.5)
            except (Exception, asyncio.CancelledError) as error:  # Whatever a client throws.
                return results.put(error)

    threading.Thread(target=run, daemon=True).start()
    try:
        value = results.get(timeout=BOOK_S + STEP_S)
    except queue.Empty:
        value = Wrong("the client never came back")
    if isinstance(value, BaseException):
        return failed(market, name, value)
    say(market, name, "ok", value if isinstance(value, str) else "")


def within(call, s=BOOK_S):
    """A step of an asynchronous client: each has a loop of its own, so that none spoils another."""
    return lambda: asyncio.run(asyncio.wait_for(call(), s))


def price(base, value, what="price"):
    need(value is not None, f"no {what}")
    start = STARTS[base]
    need(0.8 * start < float(value) < 1.25 * start, f"{what} {value} is not one of {base}")


def clock(millis):
    """A server's time, in milliseconds."""
    off = float(millis) / 1000 - time.time()
    need(abs(off) < 5, f"the server's time is {off:+.1f} s off")


# What has no bid and ask, as documented: Binance's mini tickers, which ccxt follows, and futures'
# statistics of a day; Bybit's spot ticker stream; Coinbase's lists of products and statistics.
UNQUOTED = {
    ("binance", "~ticker"), ("binance-us", "~ticker"),
    *((market, step) for market in ("binance-usdm", "binance-coinm")
      for step in ("ticker", "tickers", "~ticker")),
    ("bybit", "~ticker"), ("coinbase", "tickers"), ("coinbase-exchange", "tickers"),
}


def quoted(market, step, base, last, bid, ask):
    """A ticker's prices."""
    price(base, last, "last")
    if (market, step) not in UNQUOTED:
        price(base, bid, "bid")
        price(base, ask, "ask")
        need(float(bid) < float(ask), f"bid {bid} is not below ask {ask}")


def sides(base, bids, asks):
    """Levels as (price, quantity, …), best first."""
    need(min(len(bids), len(asks)) >= LEVELS, f"{len(bids)} bids and {len(asks)} asks")
    bids, asks = ([(float(level[0]), float(level[1])) for level in side] for side in (bids, asks))
    price(base, bids[0][0], "bid")
    price(base, asks[0][0], "ask")
    need(bids[0][0] < asks[0][0], f"bid {bids[0][0]} is not below ask {asks[0][0]}")
    need(bids == sorted(bids, key=lambda level: -level[0]), "bids are not sorted")
    need(asks == sorted(asks, key=lambda level: level[0]), "asks are not sorted")
    need(all(level[1] > 0 for level in bids + asks), "a level without quantity")


def outside(market):
    """The best levels of BTC as the exchange's REST service has them now, and their number."""
    book = BOOKS[market]
    url = urllib.parse.urlsplit(book["url"])
    trust = ssl.create_default_context(cafile=os.environ["SSL_CERT_FILE"])
    # From an address of its own: the client's request limits are the client's.
    link = http.client.HTTPSConnection(
        url.hostname, timeout=5, context=trust, source_address=("127.0.0.2", 0))
    try:
        link.request("POST" if "body" in book else "GET", f"{url.path}?{url.query}".rstrip("?"),
                     book.get("body"), {"Content-Type": "application/json"})
        answer = link.getresponse()
        text = answer.read().decode()
    finally:
        link.close()
    need(answer.status == 200, f"the outside book: {answer.status} {text[:120]}")
    answer = json.loads(text)
    px, qty = book.get("level", [0, 1])
    bids, asks = ([(float(level[px]), float(level[qty])) for level in walk(answer, book[side])]
                  for side in ("bids", "asks"))
    bids.sort(reverse=True)
    asks.sort()
    sides("BTC", bids, asks)
    return best(bids, asks), "number" in book and int(walk(answer, book["number"]))


def walk(value, path):
    """What is at this path; `*` is the only key that there is."""
    for key in path.split("."):
        if key == "*":
            value = next(iter(value.values()))
        else:
            value = value[int(key) if isinstance(value, list) else key]
    return value


def best(bids, asks):
    return tuple(tuple((float(level[0]), float(level[1])) for level in side[:LEVELS])
                 for side in (bids, asks))


class Followed:
    """Every state that a client's book had, and outside snapshots taken meanwhile.

    An exchange's REST service may show a moment between two messages, which no client can have. If
    its number says so, that is enough; if it has none, another snapshot is taken after the next
    update. A book that went wrong is found again by none of them.
    """

    def __init__(self, market):
        self.market = market
        self.states, self.numbers, self.snapshots = set(), set(), []
        self.updates, self.wrong = 0, None
        self.ended, self.updated = threading.Event(), threading.Event()

    def add(self, bids, asks, number=None):
        """The book after an update, best first, and the update's number if the client tells it."""
        try:
            if not self.wrong:
                sides("BTC", bids, asks)
            self.states.add(best(bids, asks))
            self.numbers.add(number)
        except Wrong as wrong:
            self.wrong = wrong
        self.updates += 1
        self.updated.set()

    def watch(self, s=FOLLOWED_S):
        """Takes outside snapshots for this long, once the book is there; blocks."""
        try:
            until = time.monotonic() + STEP_S
            while not self.updates and time.monotonic() < until and not self.ended.is_set():
                time.sleep(0.05)
            need(self.updates, f"no book within {STEP_S} s")
            until = time.monotonic() + s
            while time.monotonic() < until and not self.ended.is_set():
                for _ in range(TRIES):
                    # Right after an update it is the likeliest that both show the same moment.
                    self.updated.clear()
                    self.updated.wait(STEP_S)
                    snapshot = outside(self.market)
                    self.ended.wait(0.3)  # What it shows may still be under way to the client.
                    if self.has(*snapshot):
                        break
                self.snapshots.append(snapshot)
                self.ended.wait(0.5)
        except (Wrong, OSError, ValueError, KeyError, TypeError, IndexError) as error:
            self.wrong = self.wrong or Wrong(str(error) or repr(error))

    def has(self, snapshot, number):
        """Whether this was the client's book, or lay between two of its updates by its number."""
        numbers = [known for known in self.numbers if known]
        between = number and numbers and min(numbers) < number < max(numbers)
        return snapshot in self.states or between and number not in self.numbers

    def judge(self):
        """Says what was compared, or what is wrong."""
        if self.wrong:
            raise self.wrong
        count = len(self.snapshots)
        need(count, "no outside snapshot")
        missing = [n for n, snapshot in enumerate(self.snapshots, 1) if not self.has(*snapshot)]
        need(not missing, f"of {count} outside snapshots number {missing} are not among its "
             f"{len(self.states)} books")
        return f"{count} outside snapshots found among {len(self.states)} books"


def take(messages, find, s=STEP_S):
    """The first of a queue's messages from which `find` gives something."""
    until = time.monotonic() + s
    seen = None
    while (left := until - time.monotonic()) > 0:
        try:
            seen = messages.get(timeout=left)
        except queue.Empty:
            break
        found = find(seen)
        if found:
            return found
    raise Wrong(f"nothing within {s} s" + (f"; last came {str(seen)[:200]}" if seen else ""))


# Trading at the simulated Binance, in its own words. No key is registered, here or at another
# exchange: what signs for it by HMAC is the SHA-256 digest of its text.
FAR = "50000.00"  # A bid of BTC at this price rests.


def secret(key):
    return hashlib.sha256(key.encode()).hexdigest()


def order(got, client_id, status, more=()):
    """An answer about a limit order of 0.01 BTC at FAR, or what is left of one."""
    want = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "status": status, **dict(more)}
    for field, value in want.items():
        need(got.get(field) == value, f"{field} is {got.get(field)}, not {value}")
    names = (got.get("clientOrderId"), got.get("origClientOrderId"))
    need(client_id in names, f"{client_id} is none of {names}")
    need(float(got["price"]) == float(FAR), f"price {got['price']}")
    return int(got["orderId"])


def filled(got, side, qty):
    """An answer to a market order: what it says of its fills is what they are together."""
    need((got["status"], got["side"], got["type"]) == ("FILLED", side, "MARKET"), str(got)[:200])
    need(float(got["executedQty"]) == qty, f"executed {got['executedQty']}, not {qty}")
    fills = got["fills"]
    need(abs(sum(float(fill["qty"]) for fill in fills) - qty) < 1e-9, str(fills)[:200])
    worth = sum(float(fill["qty"]) * float(fill["price"]) for fill in fills)
    paid = float(got["cummulativeQuoteQty"])
    need(abs(worth - paid) < 1e-4, f"fills are worth {worth}, and {paid} was paid")
    for fill in fills:
        price("BTC", fill["price"])
        need(float(fill["commission"]) > 0, "no commission")
    return int(got["orderId"])


def own(rows, order_id, qty, buyer):
    """Own trades: those of this order are of this side and quantity together."""
    rows = [row for row in rows if int(row["orderId"]) == order_id]
    need(rows, f"none of order {order_id}")
    need(abs(sum(float(row["qty"]) for row in rows) - qty) < 1e-9, str(rows)[:200])
    for row in rows:
        price("BTC", row["price"])
        need(row["isBuyer"] is buyer and row["isMaker"] is False, str(row)[:200])
        asset, got = ("BTC", row["qty"]) if buyer else ("USDT", row["quoteQty"])
        need(row["commissionAsset"] == asset, f"commission in {row['commissionAsset']}")
        need(abs(float(row["commission"]) - float(got) / 1000) < 1e-6, f"{row['commission']}")


def free(rows, asset):
    row = next((row for row in rows if row["asset"] == asset), None)
    need(row, f"no {asset} among {len(rows)} balances")
    return float(row["free"])


class Told:
    """What a user data stream has told: every change of an order, and balances."""

    def __init__(self):
        self.changes, self.balances = [], set()

    def add(self, event):
        if event["e"] == "executionReport":
            self.changes.append((event["c"], event["C"], event["x"], event["X"]))
        if event["e"] == "outboundAccountPosition":
            self.balances |= {balance["a"] for balance in event["B"]}

    def whole(self, resting, bought):
        """A limit order was placed and cancelled, and another one bought."""
        seen = {(c or own, x) for own, c, x, _ in self.changes}
        want = {(resting, "NEW"), (resting, "CANCELED"), (bought, "NEW"), (bought, "TRADE")}
        return want <= seen and {"BTC", "USDT"} <= self.balances
