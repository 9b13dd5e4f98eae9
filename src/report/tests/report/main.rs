//! Reports from outside: their forms, what hostile names do to them, and how much they hold.

mod bounds;
mod golden_forms;
mod hostile;
mod interchange;
mod named_period;
mod pages;
mod peers;
mod period;
mod sample;
mod structure;
mod versions;
