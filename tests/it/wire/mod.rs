//! Real connections over loopback, in real time: few and short.

mod metronome;
mod simulator;
mod transport;
