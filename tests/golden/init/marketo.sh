curl -G https://064-CCJ-768.mktorest.com/identity/oauth/token -d grant_type=client_credentials -d client_id=c9b0 -d client_secret=canary-marketo
