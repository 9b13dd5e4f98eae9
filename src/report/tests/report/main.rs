//! Reports from outside: their forms, what hostile names do to them, and how much they hold.

mod bounds;
mod golden_forms;
mod hostile;
mod pages;
mod period;
mod sample;
mod structure;
