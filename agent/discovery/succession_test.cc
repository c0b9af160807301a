#include "agent/discovery/succession.h"
