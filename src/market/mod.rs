//! Words to picture: sequencing, order books, signals. Never sees a frame or a strategy.
