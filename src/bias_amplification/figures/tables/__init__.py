"""Tables for readers: functions that read a file of the run and write a table as CSV and HTML."""
