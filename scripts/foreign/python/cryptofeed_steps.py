"""cryptofeed: instruments and normalized streams, its own checks of sequence and checksum on."""

import asyncio
import logging
import os

from cryptofeed import FeedHandler
from cryptofeed.defines import L2_BOOK, TICKER, TRADES
from cryptofeed.exceptions import UnsupportedDataFeed
from cryptofeed import exchanges

from steps import *

# Our name: cryptofeed's class, a symbol, and how many levels per side its book is asked for.
MARKETS = {
    "binance": (exchanges.Binance, "{}-USDT", 1000),
    "binance-us": (exchanges.BinanceUS, "{}-USDT", 1000),
    "binance-usdm": (exchanges.BinanceFutures, "{}-USDT-PERP", 1000),
    "binance-coinm": (exchanges.BinanceDelivery, "{}-USD-PERP", 1000),
    "bitstamp": (exchanges.Bitstamp, "{}-USD", 0),
    "bybit": (exchanges.Bybit, "{}-USDT", 50),
    "bybit-linear": (exchanges.Bybit, "{}-USDT-PERP", 50),
    "coinbase": (exchanges.Coinbase, "{}-USD", 0),
    "deribit": (exchanges.Deribit, "{}-USD-PERP", 0),
    "kraken": (exchanges.Kraken, "{}-USD", 10),
    "kraken-futures": (exchanges.KrakenFutures, "{}-USD-PERP", 0),
    "okx": (exchanges.OKX, "{}-USDT", 400),
}
handler = None


class Steps:
    def __init__(self, market):
        self.market = market
        self.feed, self.symbols, self.depth = MARKETS[market]
        self.wrong = {}
        self.book, self.trades, self.tickers = Followed(market), queue.Queue(), queue.Queue()

    def symbol(self, base):
        return self.symbols.format(base)

    def instruments(self):
        self.feed.symbol_mapping(refresh=True)
        found = self.feed.symbols()
        for base in STARTS:
            need(self.symbol(base) in found, f"{self.symbol(base)} is not among {found[:4]}")

    def follow(self):
        """Adds its feeds to the handler; a market whose instruments are unknown has none."""
        async def book(book, _):
            sides = ([side.index(n) for n in range(min(LEVELS, len(side)))]
                     for side in (book.book.bids, book.book.asks))
            self.book.add(*sides, book.sequence_number)

        async def trade(trade, _):
            self.trades.put(trade)

        async def ticker(ticker, _):
            self.tickers.put(ticker)

        for base, channel, callback in (
            ("BTC", L2_BOOK, book), ("ETH", TRADES, trade), ("SOL", TICKER, ticker),
        ):
            try:
                handler.add_feed(self.feed(
                    symbols=[self.symbol(base)], channels=[channel], callbacks={channel: callback},
                    max_depth=self.depth, checksum_validation=True, retries=2))
            except Exception as error:
                self.wrong[channel] = error

    def offered(self, channel):
        if error := self.wrong.get(channel):
            raise NotOffered(error) if isinstance(error, UnsupportedDataFeed) else error

    def check(self, channel, messages, base, fields):
        self.offered(channel)
        got = take(messages, lambda message: message)
        need(got.symbol == self.symbol(base), f"got {got.symbol}")
        for field in fields:
            price(base, getattr(got, field), field)

    def run(self):
        def book():
            self.offered(L2_BOOK)
            self.book.watch()
            return self.book.judge()
        step(self.market, "~book", book)
        step(self.market, "~trades", lambda: self.check(TRADES, self.trades, "ETH", ["price"]))
        step(self.market, "~ticker", lambda: self.check(TICKER, self.tickers, "SOL", ["bid", "ask"]))


logging.getLogger("feedhandler").addHandler(logging.StreamHandler())
every = [Steps(market) for market in sys.argv[1:] or MARKETS]
loop = asyncio.new_event_loop()
asyncio.set_event_loop(loop)
handler = FeedHandler(config={"uvloop": False, "log": {"filename": "/dev/null", "level": "WARNING"}})
for steps in every:
    step(steps.market, "markets", steps.instruments)
    steps.follow()


def main():
    asyncio.set_event_loop(loop)
    handler.run(install_signal_handlers=False)

threading.Thread(target=main, daemon=True).start()
runs = [threading.Thread(target=steps.run) for steps in every]
for run in runs:
    run.start()
for run in runs:
    run.join()
sys.stdout.flush()
os._exit(0)
