-- relay_now: KEYS list -> the time where the list lies
return int(now())
