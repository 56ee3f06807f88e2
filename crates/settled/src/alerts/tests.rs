//! What is decided about alerts, without a clock and without a receiver.

