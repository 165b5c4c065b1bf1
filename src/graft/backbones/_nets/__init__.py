"""Networks of our own, written as stages: word vectors, ELMo, AWD-LSTM and WaveNet, and what reads their files."""
