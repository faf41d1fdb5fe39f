// Starting the other processors.
#pragma once

// Sends INIT and start-up to every processor but this one; each arrives in ap_main() in its own time.
void apic_start_others(void);
