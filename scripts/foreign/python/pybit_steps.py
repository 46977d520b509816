"""pybit, Bybit's own SDK: its public calls and streams, spot and linear."""

import os

from pybit.unified_trading import HTTP, WebSocket

from steps import *

MARKETS = {"spot": "bybit", "linear": "bybit-linear"}


def result(answer):
    need(answer["retCode"] == 0, answer["retMsg"])
    return answer["result"]


def one(rows, symbol):
    need([row["symbol"] for row in rows] == [symbol], f"asked for {symbol}, got {rows[:2]}")
    return rows[0]


def instruments(http, category):
    row = one(result(http.get_instruments_info(category=category, symbol="SOLUSDT"))["list"],
              "SOLUSDT")
    need(row["status"] == "Trading" and row["baseCoin"] == "SOL", str(row))
    need(float(row["priceFilter"]["tickSize"]) > 0, "no tick")
    every = result(http.get_instruments_info(category=category))["list"]
    need(len(every) >= 3, f"all are {len(every)}")


def book(http, category):
    got = result(http.get_orderbook(category=category, symbol="SOLUSDT", limit=50))
    need(got["s"] == "SOLUSDT", f"got {got['s']}")
    sides("SOL", got["b"], got["a"])


def trades(http, category):
    got = result(http.get_public_trade_history(category=category, symbol="SOLUSDT"))["list"]
    traded(got)
    for trade in got:
        need(trade["symbol"] == "SOLUSDT" and trade["side"] in ("Buy", "Sell"), str(trade))
        price("SOL", trade["price"])


def ticker(http, category):
    row = one(result(http.get_tickers(category=category, symbol="SOLUSDT"))["list"], "SOLUSDT")
    for field in ("lastPrice", "bid1Price", "ask1Price"):
        price("SOL", row[field], field)


def tickers(http, category):
    rows = {row["symbol"]: row for row in result(http.get_tickers(category=category))["list"]}
    for base in STARTS:
        price(base, rows[f"{base}USDT"]["lastPrice"])


def subscribed(category, subscribe):
    """Subscribes, and gives the first message.

    pybit notes whom to call only after it has asked. On one host the answer can be there before:
    then it closes for good, and another one is made.
    """
    for _ in range(3):
        got = queue.Queue()
        socket = WebSocket(testnet=False, channel_type=category)
        threading.Thread(target=subscribe, args=(socket, got.put), daemon=True).start()
        try:
            return got.get(timeout=STEP_S / 3)
        except queue.Empty:
            pass
    raise Wrong(f"nothing within {STEP_S} s")


def watch_trades(category):
    first = subscribed(category, lambda socket, handle: socket.trade_stream(
        symbol="ETHUSDT", callback=handle))
    for trade in first["data"]:
        need(trade["s"] == "ETHUSDT", str(trade))
        price("ETH", trade["p"])


def watch_ticker(category):
    row = subscribed(category, lambda socket, handle: socket.ticker_stream(
        symbol="SOLUSDT", callback=handle))["data"]
    need(row["symbol"] == "SOLUSDT", str(row))
    price("SOL", row["lastPrice"], "last")


def watch_book(category, market):
    """pybit keeps the book itself: it gives each state whole."""
    followed = Followed(market)

    def subscribe(socket, handle):
        def add(message):
            data = message["data"]
            followed.add(sorted(data["b"], key=lambda level: -float(level[0])),
                         sorted(data["a"], key=lambda level: float(level[0])))
            handle(message)
        socket.orderbook_stream(depth=50, symbol="BTCUSDT", callback=add)

    subscribed(category, subscribe)
    followed.watch()
    return followed.judge()


for category, market in MARKETS.items():
    http = HTTP(testnet=False, timeout=10)
    step(market, "markets", lambda: instruments(http, category))
    step(market, "time", lambda: clock(int(result(http.get_server_time())["timeNano"]) / 1e6))
    step(market, "book", lambda: book(http, category))
    step(market, "trades", lambda: trades(http, category))
    step(market, "ticker", lambda: ticker(http, category))
    step(market, "tickers", lambda: tickers(http, category))
    step(market, "~book", lambda: watch_book(category, market))
    step(market, "~trades", lambda: watch_trades(category))
    step(market, "~ticker", lambda: watch_ticker(category))
os._exit(0)  # Its threads are no daemons.
