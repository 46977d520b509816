"""A strategy for freqtrade that trades within minutes: it buys a candle that rose, and sells soon."""

from freqtrade.strategy import IStrategy


class ForeignStrategy(IStrategy):
    timeframe = "1m"
    minimal_roi = {"0": 0.001, "1": -1}  # After a minute at any price.
    stoploss = -0.02
    startup_candle_count = 3
    process_only_new_candles = False

    def populate_indicators(self, dataframe, metadata):
        return dataframe

    def populate_entry_trend(self, dataframe, metadata):
        dataframe.loc[dataframe["close"] >= dataframe["open"], "enter_long"] = 1
        return dataframe

    def populate_exit_trend(self, dataframe, metadata):
        return dataframe
