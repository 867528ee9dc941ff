//! A Metronome on loopback.
