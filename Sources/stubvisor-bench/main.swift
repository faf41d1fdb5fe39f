import Host

print("stubvisor-bench")
