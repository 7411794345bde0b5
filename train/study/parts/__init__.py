"""The parts of the study: each asks its questions of single days and says what the answers come to."""
