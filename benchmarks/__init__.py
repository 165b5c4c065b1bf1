"""Speed, memory and accuracy, measured: each file prints one table and says where Graft loses."""
