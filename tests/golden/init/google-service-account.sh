curl -d 'grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion=canary-google.e30.sig' https://oauth2.googleapis.com/token
